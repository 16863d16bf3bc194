//! An nginx that writes no log of what it answers itself, and clients whose answers cannot be read
//! from outside.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nginx_probe_tests::certificate;
use nginx_probe_tests::nginx::{Builder, Nginx};
use nginx_probe_tests::ports;
use tempfile::TempDir;

/// What is asked for, the answer, and its cause.
pub const FAILURES: &[(&str, u16, &str)] = &[
    ("/cycle", 500, "redirect_cycle"),
    ("/missing", 500, "config_error"),
    ("/password", 500, "permission_denied"),
    ("/limited", 503, "limited"),
    ("/lua", 500, "lua_error"),
    ("/auth", 500, "auth_request"),
    // nginx says nothing of it, and three ways through HTTP/2 do neither.
    ("/return", 500, "config_response"),
];

/// nginx, and its ports for TLS and for HTTP/2 without TLS.
pub struct Stage {
    pub nginx: Nginx,
    pub tls: u16,
    pub http2: u16,
    _folder: TempDir,
}

/// Answers of nginx's own by every way, none of them logged.
const LOCATIONS: &str = r#"
    access_log off;
    error_log /dev/null error;
    location = /cycle { rewrite ^ /cycle; }
    location = /missing { try_files /no-such-file @missing; }
    location = /password { auth_basic x; auth_basic_user_file PREFIX/password; }
    location = /limited { limit_req zone=limited; }
    location = /lua { content_by_lua_block { error("oops") } }
    location = /auth { auth_request /refuse; }
    location = /refuse { internal; return 500; }
    location = /return { return 500; }
    location = /saved { error_page 507 =200 /fine; return 507; }
    location = /fine { return 200 "fine"; }
    location = /mirrored { mirror /mirror; return 200 "fine"; }
    location = /mirror { internal; return 502; }
"#;

impl Stage {
    pub fn start() -> Result<Self> {
        Self::with(Nginx::builder())
    }

    pub fn with(builder: Builder) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("nginx-probe-test-")
            .tempdir()?;
        // nginx reads the rest as root, but a worker is to try and open the password file.
        let prefix = folder.path();
        fs::set_permissions(prefix, fs::Permissions::from_mode(0o755))?;
        certificate::write(prefix, "test")?;
        fs::write(prefix.join("password"), "user:secret\n")?;
        fs::set_permissions(prefix.join("password"), fs::Permissions::from_mode(0o600))?;
        let (tls, http2) = (ports::free()?, ports::free()?);
        let locations = LOCATIONS.replace("PREFIX", &prefix.display().to_string());
        let nginx = builder
            .workers(1)
            .location(&locations)
            .http(&format!(
                "limit_req_zone $server_name$uri zone=limited:1m rate=1r/m;\n\
                 server {{ listen 127.0.0.1:{tls} ssl; listen 127.0.0.1:{http2} http2;\n\
                 ssl_certificate {0}/test.pem; ssl_certificate_key {0}/test.key;\n{locations} }}",
                prefix.display()
            ))
            .start()?;
        Ok(Self {
            nginx,
            tls,
            http2,
            _folder: folder,
        })
    }
}

/// An nginx that nobody watches, which passes requests on through TLS.
pub fn tls_client(port: u16) -> Result<Nginx> {
    Nginx::builder()
        .workers(1)
        .location(&format!(
            "location /tls/ {{ proxy_pass https://127.0.0.1:{port}/; \
             proxy_set_header Authorization $http_authorization; }}"
        ))
        .start()
}

/// Asks with a user and a password, and gives the status.
pub fn get(port: u16, path: &str) -> Result<u16> {
    let mut stream = connect(port)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n\
         Connection: close\r\n\r\n"
    )?;
    status_of(&mut stream)
}

/// The status of the answer that comes.
fn status_of(stream: &mut TcpStream) -> Result<u16> {
    let mut head = [0; 12];
    stream.read_exact(&mut head).context("reading an answer")?;
    let text = std::str::from_utf8(&head)?;
    Ok(text.get(9..).context("a status")?.parse()?)
}

pub fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// Asks for all of these at once on one connection of HTTP/2, and waits until each is answered.
pub fn get_by_http2(port: u16, paths: &[&str]) -> Result<()> {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    let mut stream = connect(port)?;
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    for (path, stream) in paths.iter().zip((1u32..).step_by(2)) {
        // GET and http from HPACK's static table, then path, authority and authorization by name.
        let mut block = vec![0x82, 0x86];
        for (index, value) in [(4, *path), (1, "x")] {
            block.push(index);
            block.push(u8::try_from(value.len())?);
            block.extend(value.bytes());
        }
        let authorization = b"Basic dXNlcjpzZWNyZXQ=";
        block.extend([0x0f, 23 - 15, u8::try_from(authorization.len())?]);
        block.extend(authorization);
        sent.extend(frame(HEADERS, 4 | 1, stream, &block));
    }
    stream.write_all(&sent)?;
    let mut answered = 0;
    while answered < paths.len() {
        let mut head = [0; 9];
        stream.read_exact(&mut head).context("reading a frame")?;
        let [a, b, c, kind, ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut body = Vec::new();
        let read = (&mut stream).take(length.into()).read_to_end(&mut body)?;
        ensure!(read == usize::try_from(length)?, "a frame was cut");
        match kind {
            HEADERS => answered += 1,
            3 | 7 => bail!("nginx ended a stream: {kind} {body:?}"),
            _ => {}
        }
    }
    Ok(())
}

fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = length.get(1..).unwrap_or_default().to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(body);
    frame
}

/// Links of programs to functions that a process holds.
pub fn links_of(pid: u32) -> Result<usize> {
    let mut links = 0;
    for entry in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fdinfo"))? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        links += usize::from(text.lines().any(|line| {
            line.strip_prefix("link_type:").is_some_and(|kind| {
                ["perf", "uprobe_multi"]
                    .iter()
                    .any(|name| kind.trim().starts_with(name))
            })
        }));
    }
    Ok(links)
}

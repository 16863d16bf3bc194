//! One nginx with a path for each thing that can go wrong.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::certificate;
use nginx_probe_tests::exhaustion::EAT;
use nginx_probe_tests::nginx::Builder;
use nginx_probe_tests::ports;

use crate::backends::{Then, fastcgi, start};

/// The http block's part: `folder` holds what the paths need.
pub fn http(folder: &Path, tls: u16) -> Result<String> {
    let dead = [ports::free()?, ports::free()?];
    Ok(format!(
        r"
        upstream dead {{ server 127.0.0.1:{} fail_timeout=60s; server 127.0.0.1:{} fail_timeout=60s; }}
        map $cycle_a $cycle_b {{ default x; }}
        map $cycle_b $cycle_a {{ default x; }}
        limit_req_zone $server_port zone=requests:1m rate=1r/m;
        limit_req_zone $uri zone=dry:1m rate=1r/m;
        limit_req_zone $request_uri zone=slow:1m rate=10r/s;
        limit_conn_zone $server_port zone=connections:1m;
        client_header_timeout 300ms;
        server {{
            listen 127.0.0.1:{tls} ssl;
            ssl_certificate {folder}/one.pem;
            ssl_certificate_key {folder}/one.key;
            location / {{ return 200 tls; }}
        }}
        ",
        dead[0],
        dead[1],
        folder = folder.display(),
    ))
}

/// Every path whose fault is an upstream's.
pub fn upstreams(folder: &Path, tls: u16) -> Result<String> {
    let mut text = String::new();
    let mut proxy = |path: &str, port: u16, more: &str| {
        let _ = writeln!(
            text,
            "location = /{path} {{ {more} proxy_pass http://127.0.0.1:{port}; }}"
        );
    };
    proxy("refused", ports::free()?, "");
    proxy("bind", ports::free()?, "proxy_bind 192.0.2.1;");
    let silent = start(Vec::new(), Then::Silence)?;
    proxy("silent", silent, "proxy_read_timeout 200ms;");
    proxy(
        "one-at-a-time",
        silent,
        "limit_conn connections 1; proxy_read_timeout 1s;",
    );
    let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart".to_vec();
    proxy(
        "silent-body",
        start(begun.clone(), Then::Silence)?,
        "proxy_read_timeout 200ms;",
    );
    proxy("closed-body", start(begun, Then::Close)?, "");
    proxy("closed", start(Vec::new(), Then::Close)?, "");
    proxy("reset", start(Vec::new(), Then::Reset)?, "");
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    proxy("big-header", start(long.into(), Then::Close)?, "");
    proxy(
        "no-http",
        start(b"hello\r\n\r\n".to_vec(), Then::Close)?,
        "",
    );
    proxy(
        "bad-header",
        start(
            b"HTTP/1.1 200 OK\r\nbad, client: 6.6.6.6, server: x\r\n\r\n".to_vec(),
            Then::Close,
        )?,
        "",
    );
    proxy(
        "excess",
        start(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcdef".to_vec(),
            Then::Close,
        )?,
        "",
    );
    proxy(
        "bad-chunk",
        start(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
            Then::Close,
        )?,
        "",
    );
    let mut big = b"HTTP/1.1 200 OK\r\nContent-Length: 16000000\r\n\r\n".to_vec();
    big.resize(big.len() + 16_000_000, b'x');
    proxy("big", start(big, Then::Close)?, "");
    let stderr = fastcgi(7, b"PHP message: a\nb\", client: 6.6.6.6, server: x, request: \"GET / HTTP/1.1\", host: \"h\"");
    let header = fastcgi(6, b"Status: 200\r\nContent-Length: 9\r\n\r\npart");
    let end = fastcgi(3, &[0; 8]);
    for (path, answer) in [
        ("stderr", [stderr, header.clone(), end.clone()].concat()),
        ("fcgi-closed", Vec::new()),
        ("fcgi-no-stdout", fastcgi(6, b"")),
        ("fcgi-end", end),
        ("fcgi-part", [header, fastcgi(6, b"")].concat()),
        ("fcgi-http", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
    ] {
        let port = start(answer, Then::Close)?;
        let _ = writeln!(
            text,
            "location = /{path} {{ fastcgi_pass 127.0.0.1:{port}; }}"
        );
    }
    let refuses = ports::free()?;
    let folder = folder.display();
    let _ = write!(
        text,
        r#"
        location = /unreachable {{ proxy_pass http://224.0.0.1:80; }}
        location = /no-socket {{ proxy_pass http://unix:{folder}/none.sock; }}
        location = /socket-denied {{ proxy_pass http://unix:{folder}/denied.sock; }}
        location = /dead {{ proxy_pass http://dead; }}
        location = /no-resolver {{ set $name "name.invalid"; proxy_pass http://$name; }}
        location = /unresolved {{ resolver 127.0.0.1:{refuses}; resolver_timeout 300ms; set $name "name.invalid"; proxy_pass http://$name; }}
        location = /bad-url {{ set $url "nonsense"; proxy_pass $url; }}
        location = /tls-verify {{ proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/other.pem; proxy_pass https://127.0.0.1:{tls}; }}
        location = /tls-plain {{ proxy_pass https://healthy; }}
        "#
    );
    Ok(text)
}

/// Every path whose fault is nginx's own, its configuration's, or the host's.
pub fn own(folder: &Path) -> String {
    format!(
        r#"
        location /rewrite-cycle {{ rewrite ^(.*)$ $1x last; }}
        location /redirect-cycle {{ try_files /none /redirect-cycle; }}
        location = /named-cycle {{ try_files /none @a; }}
        location @a {{ try_files /none @b; }}
        location @b {{ try_files /none @a; }}
        location = /named-missing {{ try_files /none @gone; }}
        location = /subrequest-cycle {{ ssi on; default_type text/html; root {folder}; }}
        location /alias/ {{ rewrite ^ /other break; alias {folder}/; }}
        location = /empty {{ set $nothing ""; rewrite ^ $nothing; }}
        location = /variable-cycle {{ return 200 $cycle_a; }}
        location = /set {{ set $unset 1; }}
        location = /unset {{ return 200 "$unset"; }}
        location = /auth {{ auth_request /auth-bad; }}
        location = /auth-bad {{ return 500; }}
        location = /password-denied {{ auth_basic x; auth_basic_user_file {folder}/denied; }}
        location = /password {{ auth_basic x; auth_basic_user_file {folder}/users; }}
        location = /denied {{ root {folder}; }}
        location = /pipe {{ root {folder}; }}
        location /closed-folder/ {{ root {folder}; }}
        location /folder/ {{ root {folder}; }}
        location = /forbidden {{ deny all; }}
        location = /limited {{ limit_req zone=requests; }}
        location = /dry {{ limit_req zone=dry; limit_req_dry_run on; }}
        location = /delayed {{ limit_req zone=slow burst=5; }}
        location = /tiny-body {{ client_max_body_size 1; proxy_pass http://healthy; }}
        location = /body {{ client_body_buffer_size 1k; proxy_pass http://healthy; }}
        location = /body-full {{ client_body_buffer_size 1k; client_body_temp_path {folder}/full; proxy_pass http://healthy; }}
        location = /body-denied {{ client_body_buffer_size 1k; client_body_temp_path {folder}/body; proxy_pass http://healthy; }}
        location = /body-mkdir {{ client_body_buffer_size 1k; client_body_temp_path {folder}/levels 1; proxy_pass http://healthy; }}
        location = /lua-error {{ content_by_lua_block {{ error("text, client: 6.6.6.6, server: x") }} }}
        location = /lua-file {{ content_by_lua_file {folder}/none.lua; }}
        location = /lua-syntax {{ content_by_lua_file {folder}/broken.lua; }}
        location = /lua-set {{ set_by_lua_block $x {{ error("x") }} return 200 $x; }}
        location = /lua-log {{ log_by_lua_block {{ error("x") }} }}
        location = /lua-message {{ content_by_lua_block {{ ngx.log(ngx.ERR, "first\nsecond") }} }}
        location = /lua-thread {{ content_by_lua_block {{ ngx.thread.wait(ngx.thread.spawn(function() error("x") end)) }} }}
        location = /lua-socket {{ content_by_lua_block {{ local s = ngx.socket.tcp(); s:settimeout(1000); s:connect("127.0.0.1", 1) }} }}
        location = /no-fds {{ {EAT} root {folder}; }}
        location = /no-fds-proxy {{ {EAT} proxy_pass http://healthy; }}
        location = /no-memory {{ rewrite_by_lua_block {{ limit(64) }} log_by_lua_block {{ limit(nil) }} proxy_buffer_size 512m; proxy_buffers 2 512m; proxy_busy_buffers_size 512m; proxy_pass http://healthy; }}
        "#,
        folder = folder.display(),
    )
}

/// Fills `folder` with the files that the paths need.
pub fn furnish(folder: &Path) -> Result<UnixListener> {
    for name in ["closed-folder", "folder", "full", "body", "levels"] {
        fs::create_dir(folder.join(name))?;
    }
    for name in ["denied", "no-fds"] {
        fs::write(folder.join(name), "text\n")?;
    }
    let include = "<!--# include virtual=\"/subrequest-cycle\" -->\n";
    fs::write(folder.join("subrequest-cycle"), include)?;
    fs::write(folder.join("users"), "known:{PLAIN}word\n")?;
    fs::write(folder.join("broken.lua"), "this is no Lua\n")?;
    let socket = UnixListener::bind(folder.join("denied.sock"))?;
    for (name, mode) in [
        ("denied", 0o600),
        ("closed-folder", 0o700),
        ("denied.sock", 0o600),
    ] {
        fs::set_permissions(folder.join(name), Permissions::from_mode(mode))?;
    }
    run("mkfifo", &[&folder.join("pipe").to_string_lossy()])?;
    for name in ["one", "other"] {
        certificate::write(folder, name)?;
    }
    Ok(socket)
}

/// Takes from the worker what it had when it started: the rights on temporary folders.
pub fn deny_folders(folder: &Path) -> Result<()> {
    for (name, mode) in [("body", 0o700), ("levels", 0o755)] {
        std::os::unix::fs::chown(folder.join(name), Some(0), Some(0))?;
        fs::set_permissions(folder.join(name), Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The log at its most talkative.
pub fn builder() -> Builder {
    nginx_probe_tests::nginx::Nginx::builder()
        .log_level("info")
        .workers(1)
}

pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("running {program}"))?;
    ensure!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

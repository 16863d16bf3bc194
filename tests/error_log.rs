//! What a real nginx writes to its error log, class by class.
//!
//! With `NGINX_PROBE_REGENERATE=1` the lines become the golden file that the agent's own tests
//! read without nginx.

#[path = "error_log/backends.rs"]
mod backends;
#[path = "error_log/golden.rs"]
mod golden;
#[path = "error_log/scene.rs"]
mod scene;
#[path = "error_log/watch.rs"]
mod watch;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nginx_probe_tests::exhaustion;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::tools::Tools;
use nginx_probe_tests::wait::until_true;

use watch::{Watch, classes_of};

/// How long a line may take: all come within milliseconds, but for a busy machine.
const WAIT: Duration = Duration::from_secs(10);

/// What is sent, and the classes of lines that nginx must write because of it.
const REQUESTS: &[(&str, &[&str])] = &[
    ("/refused", &["connect_refused"]),
    ("/unreachable", &["connect_unreachable"]),
    ("/no-socket", &["connect_no_socket"]),
    ("/socket-denied", &["connect_denied"]),
    ("/bind", &["upstream_bind_failed"]),
    ("/silent", &["upstream_timed_out_header"]),
    ("/silent-body", &["upstream_timed_out_body"]),
    ("/closed", &["upstream_closed_header"]),
    ("/closed-body", &["upstream_closed_body"]),
    ("/reset", &["upstream_reset"]),
    ("/big-header", &["upstream_big_header"]),
    ("/no-http", &["upstream_no_header"]),
    ("/bad-header", &["upstream_invalid_header"]),
    ("/excess", &["upstream_excess_data"]),
    ("/bad-chunk", &["upstream_invalid_response"]),
    ("/stderr", &["fastcgi_stderr"]),
    ("/fcgi-closed", &["upstream_closed_header"]),
    ("/fcgi-no-stdout", &["upstream_closed_header"]),
    ("/fcgi-end", &["upstream_invalid_response"]),
    ("/fcgi-part", &["upstream_closed_body"]),
    ("/fcgi-http", &["upstream_invalid_response"]),
    ("/dead", &["upstream_disabled"]),
    ("/dead", &["no_live_upstreams"]),
    ("/no-resolver", &["resolver_missing"]),
    ("/unresolved", &["resolve_failed", "resolver_refused"]),
    ("/bad-url", &["upstream_not_configured"]),
    ("/tls-verify", &["upstream_tls_verify"]),
    ("/tls-plain", &["upstream_tls_handshake"]),
    ("/rewrite-cycle", &["rewrite_cycle"]),
    ("/redirect-cycle", &["redirect_cycle"]),
    ("/named-cycle", &["named_redirect_cycle"]),
    ("/named-missing", &["named_location_missing"]),
    ("/subrequest-cycle", &["subrequest_cycle"]),
    ("/alias/x", &["alias_rewritten"]),
    ("/empty", &["empty_rewrite"]),
    ("/variable-cycle", &["variable_cycle"]),
    ("/unset", &["variable_unset"]),
    ("/auth", &["auth_request_status"]),
    ("/password-denied", &["open_denied_needed"]),
    ("/password", &["auth_basic_refused"]),
    ("/none", &["open_not_found"]),
    (
        "/%22%0A2026/01/01%2000:00:00%20[alert]%201%231:%20worker%20process%201%20exited%20on%20signal%209%0A",
        &["open_not_found"],
    ),
    ("/denied", &["open_denied"]),
    ("/pipe", &["not_a_file"]),
    ("/folder/", &["index_forbidden"]),
    ("/folder/none/", &["index_not_found"]),
    ("/closed-folder/", &["index_denied"]),
    ("/forbidden", &["access_forbidden"]),
    ("/limited", &[]),
    ("/limited", &["limit_req_refused"]),
    ("/dry", &[]),
    ("/dry", &["limit_dry_run"]),
    ("/delayed", &[]),
    ("/delayed", &["limit_req_delayed"]),
    ("/lua-error", &["lua_aborted"]),
    ("/lua-file", &["lua_load_failed"]),
    ("/lua-syntax", &["lua_load_failed"]),
    ("/lua-set", &["lua_filter_failed"]),
    ("/lua-log", &["lua_log_failed"]),
    ("/lua-message", &["lua_message"]),
    ("/lua-thread", &["lua_light_thread"]),
    ("/lua-socket", &["lua_socket_failed"]),
    ("/no-fds", &["open_no_fds"]),
    ("/no-fds-proxy", &["socket_no_fds"]),
    ("/no-memory", &["malloc_failed"]),
];

/// Bytes that are sent as they are.
const RAW: &[(&str, &[&str])] = &[
    ("GET /a b HTTP/1.1\r\n\r\n", &["client_invalid_request"]),
    (
        "GET / HTTP/1.1\r\nHost: x\r\nbad header\x01: x\r\nConnection: close\r\n\r\n",
        &["client_invalid_header"],
    ),
    ("GET / HTTP/1.1\r\nHost: x", &["client_timed_out"]),
    (
        "POST /tiny-body HTTP/1.0\r\nContent-Length: 9\r\n\r\nabcdefghi",
        &["client_body_too_large"],
    ),
];

#[test]
fn a_real_nginx_writes_what_the_table_knows() -> Result<()> {
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let _socket = scene::furnish(folder.path())?;
    let _full = Mounted::tmpfs(&folder.path().join("full"))?;
    let tls = ports::free()?;
    let nginx = scene::builder()
        .main("worker_rlimit_nofile 200;")
        .http(&scene::http(folder.path(), tls)?)
        .http(exhaustion::LUA)
        .location(&scene::upstreams(folder.path(), tls)?)
        .location(&scene::own(folder.path()))
        .start()?;
    scene::deny_folders(folder.path())?;
    let mut golden = golden::Golden::new(&[
        (nginx.folder(), "/srv/nginx"),
        (folder.path(), "/srv/files"),
    ]);
    let mut watch = Watch::new(&nginx);
    for (path, classes) in REQUESTS {
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: test\r\nReferer: \", client: 6.6.6.6, server: x\r\nAuthorization: Basic eDp5\r\n\r\n"
        );
        exchange(nginx.port(), request.as_bytes())?;
        watch.expect(path, classes, &mut golden)?;
        anyhow::ensure!(
            !watch
                .last
                .iter()
                .any(|class| ["worker_crashed", "worker_signal"].contains(class)),
            "{path} forged a line"
        );
    }
    for (bytes, classes) in RAW {
        exchange(nginx.port(), bytes.as_bytes())?;
        watch.expect(bytes, classes, &mut golden)?;
    }
    for (path, class) in [
        ("/body", "body_buffered"),
        ("/body-full", "write_disk_full"),
        ("/body-denied", "open_denied_needed"),
        ("/body-mkdir", "mkdir_denied"),
    ] {
        let mut request =
            format!("POST {path} HTTP/1.0\r\nContent-Length: 200000\r\n\r\n").into_bytes();
        request.resize(request.len() + 200_000, b'x');
        exchange(nginx.port(), &request)?;
        watch.expect(path, &[class], &mut golden)?;
    }
    for (bytes, class) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "client_plain_http"),
        (b"\x16\x03\x01\x00\x05aaaaa", "client_tls_handshake"),
    ] {
        exchange(tls, bytes)?;
        watch.expect("TLS", &[class], &mut golden)?;
    }
    drop(connect(nginx.port(), b"GET / HT")?);
    watch.expect("a client that goes", &["client_closed"], &mut golden)?;
    let idle = connect(nginx.port(), b"GET /big HTTP/1.0\r\n\r\n")?;
    watch.expect("a slow client", &["response_buffered"], &mut golden)?;
    drop(idle);
    let first = connect(nginx.port(), b"GET /one-at-a-time HTTP/1.0\r\n\r\n")?;
    exchange(nginx.port(), b"GET /one-at-a-time HTTP/1.0\r\n\r\n")?;
    watch.expect("two at once", &["limit_conn_refused"], &mut golden)?;
    drop(first);
    processes(&nginx, &mut watch, &mut golden)?;
    crowded(&mut golden)?;
    watch.finish()?;
    golden.finish()
}

/// Deaths, reloads, refused configurations.
fn processes(nginx: &Nginx, watch: &mut Watch<'_>, golden: &mut golden::Golden) -> Result<()> {
    let _ = nginx.cause(Fault::Segv);
    watch.expect("a crash", &["worker_crashed", "worker_started"], golden)?;
    let worker = *nginx.wait_serving()?.first().context("no worker")?;
    signal(worker, Signal::KILL)?;
    watch.expect("a kill", &["worker_signal"], golden)?;
    nginx.wait_serving()?;
    let _ = nginx.cause(Fault::Exit);
    watch.expect("an exit", &["worker_exit_code"], golden)?;
    nginx.wait_serving()?;
    nginx.signal(Signal::USR1)?;
    watch.expect("new logs", &["reopening", "signal_received"], golden)?;
    nginx.break_config()?;
    let console = console(nginx, &["-t"])?;
    golden.console("config_refused", &console);
    nginx.signal(Signal::HUP)?;
    watch.expect(
        "a bad reload",
        &["reload_started", "config_refused"],
        golden,
    )?;
    nginx.mend_config()?;
    nginx.reload()?;
    watch.expect("a reload", &["exiting"], golden)?;
    console_reload(nginx)?;
    watch.expect("nginx -s", &["signal_sent"], golden)
}

/// Too few connection slots, and too few descriptors for new clients.
fn crowded(golden: &mut golden::Golden) -> Result<()> {
    for (main, count, class) in [
        ("worker_rlimit_nofile 40;", 60, "accept_no_fds"),
        ("", 300, "worker_connections_accept"),
    ] {
        let nginx = scene::builder().main(main).start()?;
        let mut watch = Watch::new(&nginx);
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(connect(nginx.port(), b"G")?);
        }
        // Connections that have not sent anything are closed in favour of new ones: a few more
        // than there are slots do not always do.
        until_true(class, WAIT, || {
            held.push(connect(nginx.port(), b"G")?);
            Ok(classes_of(nginx.error_log().as_bytes()).contains(&class))
        })?;
        watch.expect(class, &[class], golden)?;
        watch.finish()?;
    }
    Ok(())
}

fn connect(port: u16, bytes: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // nginx may refuse and close before it has taken everything.
    let _ = stream.write_all(bytes);
    Ok(stream)
}

/// Sends the bytes and reads to the end, whatever comes.
fn exchange(port: u16, bytes: &[u8]) -> Result<()> {
    let mut answer = Vec::new();
    let _ = connect(port, bytes)?.read_to_end(&mut answer);
    Ok(())
}

fn console_reload(nginx: &Nginx) -> Result<()> {
    console(nginx, &["-s", "reload"]).map(|_| ())
}

/// What nginx prints on its standard error.
fn console(nginx: &Nginx, arguments: &[&str]) -> Result<Vec<u8>> {
    let tools = Tools::find()?;
    let output = Command::new(tools.nginx())
        .env("LD_LIBRARY_PATH", tools.library_path())
        .arg("-p")
        .arg(nginx.folder())
        .arg("-c")
        .arg(nginx.config_file())
        .arg("-e")
        .arg(nginx.folder().join("error.log"))
        .args(arguments)
        .output()?;
    Ok(output.stderr)
}

/// A file system of its own, unmounted when dropped.
struct Mounted(String);

impl Mounted {
    fn tmpfs(at: &Path) -> Result<Self> {
        let at = at.display().to_string();
        scene::run(
            "mount",
            &["-t", "tmpfs", "-o", "size=32k,mode=0777", "tmpfs", &at],
        )?;
        Ok(Self(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let gone = scene::run("umount", &["-l", &self.0]);
        if let Err(error) = gone {
            eprintln!("{error:#}");
        }
    }
}

//! nginx's own counters, and what dead workers leave in them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::http::{Answer, get, get_text};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::wait::{DEADLINE, until, until_true};

const ACTIVE: &str = "nginx_connections_active";
const WAITING: &str = "nginx_connections_waiting";

fn watch(nginx: &Nginx) -> Result<Agent> {
    let pid_file = nginx.pid_file().display().to_string();
    Agent::start(["--pid-file", &pid_file, "--stub-status-every", "200ms"])
}

/// An idle connection that is kept alive, and has been answered once.
fn idle(nginx: &Nginx) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port()))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 404"), "{line:?}");
    Ok(stream)
}

/// What nginx itself says, without us: the first number.
fn raw_active(nginx: &Nginx) -> Result<u32> {
    let text = get_text(nginx.port(), "/status")?.1;
    let number = text.lines().next().and_then(|line| line.split(' ').nth(2));
    Ok(number.context("no number")?.parse()?)
}

#[test]
fn the_counters_are_nginxs_own() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let mut agent = watch(&nginx)?;
    agent.wait_count("nginx_up", &[], 1)?;
    let open: Vec<_> = (0..5).map(|_| idle(&nginx)).collect::<Result<_>>()?;
    let nginx_label = nginx.pid_file().display().to_string();
    let labels = [("nginx", nginx_label.as_str())];
    agent.wait_count(ACTIVE, &labels, 6)?;
    agent.wait_count(WAITING, &labels, 5)?;
    agent.wait_count("nginx_connections_writing", &labels, 1)?;
    agent.wait_count("nginx_connections_reading", &labels, 0)?;
    for name in ["accepted", "handled"] {
        let name = format!("nginx_connections_{name}");
        agent.wait_sample(&name, &labels, |count| count >= 6.0)?;
    }
    agent.wait_sample("nginx_http_requests_total", &labels, |count| count >= 6.0)?;
    drop(open);
    agent.wait_count(ACTIVE, &labels, 1)?;
    agent.wait_count("nginx_probe_source_up", &[("source", "stub_status")], 1)?;
    agent.wait_stderr("ready", |line| line == "ready")?;
    ensure!(!agent.told().contains("stub_status of"), "{}", agent.told());
    agent.stop().map(|_| ())
}

#[test]
fn a_unix_socket_is_asked_inside_nginxs_root() -> Result<()> {
    for own in [false, true] {
        let folder = tempfile_folder()?;
        let socket = folder.path().join("status.sock");
        let http = format!(
            "server {{ listen unix:{}; access_log off; location /s {{ stub_status; }} }}",
            socket.display()
        );
        let mut builder = Nginx::builder().http(&http);
        if own {
            builder = builder.own_namespaces();
        }
        let nginx = builder.start()?;
        remove_tcp_status(&nginx)?;
        let agent = if own {
            let master = nginx.master()?.to_string();
            Agent::start(["--master", &master, "--stub-status-every", "200ms"])?
        } else {
            watch(&nginx)?
        };
        agent.wait_count("nginx_up", &[], 1)?;
        let open = idle(&nginx)?;
        agent.wait_count(ACTIVE, &[], 2)?;
        drop(open);
        agent.stop()?;
    }
    Ok(())
}

#[test]
fn where_it_is_denied_nginx_is_down_and_why_is_said_once() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    replace(&nginx, "{ stub_status;", "{ deny all; stub_status;")?;
    nginx.reload()?;
    let mut agent = watch(&nginx)?;
    agent.wait_count("nginx_up", &[], 0)?;
    agent.wait_stderr("why, and what to do", |line| {
        line.contains("status 403") && line.contains("allow 127.0.0.1")
    })?;
    assert_eq!(agent.sample(ACTIVE, &[])?, None);
    agent.wait_count("nginx_probe_source_up", &[("source", "stub_status")], 0)?;
    replace(&nginx, "{ deny all; stub_status;", "{ stub_status;")?;
    nginx.reload()?;
    agent.wait_count("nginx_up", &[], 1)?;
    assert_eq!(agent.told().matches("status 403").count(), 1);
    replace(&nginx, "{ stub_status;", "{")?;
    nginx.reload()?;
    until_true("no series without a stub_status", DEADLINE, || {
        Ok(agent.sample("nginx_up", &[])?.is_none())
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn a_configuration_that_nginx_does_not_run_is_not_asked() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let other = std::net::TcpListener::bind("127.0.0.1:0")?;
    other.set_nonblocking(true)?;
    let port = other.local_addr()?.port();
    replace(
        &nginx,
        "location = /status { stub_status; access_log off; }",
        "",
    )?;
    let more = format!("server {{ listen 127.0.0.1:{port}; stub_status; }} upstream healthy {{");
    replace(&nginx, "upstream healthy {", &more)?;
    let mut agent = watch(&nginx)?;
    agent.wait_stderr("that it does not listen there", |line| {
        line.contains("does not listen there")
    })?;
    assert!(other.accept().is_err(), "somebody else's port was asked");
    agent.stop().map(|_| ())
}

#[test]
fn what_a_dead_worker_held_is_taken_off() -> Result<()> {
    let nginx = Nginx::builder().workers(1).start()?;
    let agent = watch(&nginx)?;
    agent.wait_count(ACTIVE, &[], 1)?;
    for round in 1..=2 {
        let open: Vec<_> = (0..4).map(|_| idle(&nginx)).collect::<Result<_>>()?;
        agent.wait_count(ACTIVE, &[], 5)?;
        agent.wait_count(WAITING, &[], 4)?;
        kill_worker(&nginx)?;
        assert_eq!(raw_active(&nginx)?, 4 * round + 1, "nginx forgets nothing");
        agent.wait_count(ACTIVE, &[], 1)?;
        agent.wait_count(WAITING, &[], 0)?;
        drop(open);
        nginx.reload()?;
        assert_eq!(raw_active(&nginx)?, 4 * round + 1);
        stays(&agent, 1)?;
        let one = idle(&nginx)?;
        agent.wait_count(ACTIVE, &[], 2)?;
        stays(&agent, 2)?;
        drop(one);
        agent.wait_count(ACTIVE, &[], 1)?;
    }
    agent.stop()?;
    // An agent that comes later finds out by itself.
    let late = watch(&nginx)?;
    let _one = idle(&nginx)?;
    late.wait_count(ACTIVE, &[], 2)?;
    stays(&late, 2)?;
    late.stop().map(|_| ())
}

#[test]
fn connections_of_others_are_no_residue() -> Result<()> {
    let nginx = Nginx::builder().workers(2).start()?;
    let open: Vec<_> = (0..20).map(|_| idle(&nginx)).collect::<Result<_>>()?;
    let agent = watch(&nginx)?;
    agent.wait_count(ACTIVE, &[], 21)?;
    stays(&agent, 21)?;
    // Closed on one side only: nginx closes the other.
    for stream in &open[..5] {
        stream.shutdown(Shutdown::Write)?;
    }
    agent.wait_count(ACTIVE, &[], 16)?;
    agent.stop().map(|_| ())
}

#[test]
fn a_full_worker_shows_what_it_dropped() -> Result<()> {
    let nginx = Nginx::builder().workers(1).start()?;
    replace(&nginx, "worker_connections 256;", "worker_connections 16;")?;
    nginx.reload()?;
    let agent = watch(&nginx)?;
    agent.wait_count("nginx_up", &[], 1)?;
    // Requests that are begun and not ended: nginx does not close such a connection for another.
    // One whose bytes come late it may, so more are made until enough were dropped.
    let mut streams = Vec::new();
    until_true("connections to be dropped", DEADLINE, || {
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port()))?;
        let _ = stream.write_all(b"GET / HT");
        streams.push(stream);
        let alerts = nginx.error_log();
        Ok(alerts.matches("worker_connections are not enough").count() >= 20)
    })?;
    let gap = |agent: &Agent| -> Result<Option<f64>> {
        let of = |name: &str| agent.sample(&format!("nginx_connections_{name}"), &[]);
        Ok(of("accepted")?.zip(of("handled")?).map(|(a, h)| a - h))
    };
    drop(streams);
    until_true("accepted beyond handled", DEADLINE, || {
        Ok(gap(&agent)?.is_some_and(|gap| gap >= 20.0))
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn a_stopped_nginx_is_down_and_comes_back() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let agent = watch(&nginx)?;
    agent.wait_count("nginx_up", &[], 1)?;
    nginx.quit()?;
    agent.wait_count("nginx_up", &[], 0)?;
    assert_eq!(agent.sample(ACTIVE, &[])?, None);
    nginx.start_again()?;
    agent.wait_count("nginx_up", &[], 1)?;
    agent.wait_count(ACTIVE, &[], 1)?;
    agent.stop().map(|_| ())
}

#[test]
fn never_means_never() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let pid_file = nginx.pid_file().display().to_string();
    let agent = Agent::start(["--pid-file", &pid_file, "--stub-status-every", "none"])?;
    agent.wait_sample("nginx_worker_open_fds", &[], |fds| fds > 0.0)?;
    assert_eq!(agent.sample("nginx_up", &[])?, None);
    agent.wait_count("nginx_probe_source_up", &[("source", "stub_status")], 0)?;
    agent.stop().map(|_| ())
}

/// The number does not change over some polls.
fn stays(agent: &Agent, expected: u32) -> Result<()> {
    let requests = "nginx_http_requests_total";
    let begin = agent.sample(requests, &[])?.context("not up")?;
    let what = format!("five polls with {expected} active");
    until_true(&what, DEADLINE, || {
        let active = agent.sample(ACTIVE, &[])?.context("not up")?;
        ensure!(
            nginx_probe_tests::agent::is_count(active, expected),
            "{active} instead of {expected}"
        );
        let now = agent.sample(requests, &[])?.context("not up")?;
        Ok(now - begin >= 5.0)
    })
}

fn kill_worker(nginx: &Nginx) -> Result<()> {
    let before = nginx.workers()?;
    signal(*before.first().context("a worker")?, Signal::KILL)?;
    nginx.wait_replaced(&before)?;
    until("an answer", DEADLINE, || {
        Ok((get(nginx.port(), "/") == Answer::Status(200)).then_some(()))
    })
}

fn replace(nginx: &Nginx, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(nginx.config_file())?;
    ensure!(text.contains(from), "no {from} in the configuration");
    Ok(fs::write(nginx.config_file(), text.replacen(from, to, 1))?)
}

/// Leaves only the socket to be asked.
fn remove_tcp_status(nginx: &Nginx) -> Result<()> {
    replace(
        nginx,
        "location = /status { stub_status; access_log off; }",
        "",
    )?;
    nginx.reload()
}

fn tempfile_folder() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = tempfile::Builder::new();
    let builder = builder.permissions(fs::Permissions::from_mode(0o755));
    Ok(builder.tempdir()?)
}

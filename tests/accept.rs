//! Connections that a worker takes, drops unserved, or cannot take.

use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::answers::{Way, told, watch, watch_in};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::http;
use nginx_probe_tests::nginx::{Builder, Nginx};
use nginx_probe_tests::records::opens;
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::{DEADLINE, until_true};

fn builder() -> Builder {
    Nginx::builder()
        .workers(1)
        .log_level("crit")
        .location("access_log off;")
}

fn connect(nginx: &Nginx) -> Result<TcpStream> {
    Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, nginx.port()))?)
}

#[test]
fn accepts_are_counted() -> Result<()> {
    Way::ALL.into_iter().try_for_each(count_accepts)
}

fn count_accepts(way: Way) -> Result<()> {
    let nginx = builder().start()?;
    let (before, _) = accepts_and_handled(&nginx)?;
    let agent = watch_in(&nginx, way)?;
    for _ in 0..20 {
        ensure!(Client::connect(nginx.port())?.get("/")? == 200);
    }
    let (after, _) = accepts_and_handled(&nginx)?;
    let expected = u32::try_from(after - before)?;
    // The agent itself asks for the status from time to time.
    let range = f64::from(expected) - 0.5..f64::from(expected) + 5.0;
    agent.wait_sample("nginx_accepts_total", &[], |count| range.contains(&count))?;
    let dropped = agent.sample("nginx_accepts_dropped_total", &[])?;
    ensure!(dropped.is_some_and(|dropped| dropped < 0.5), "{dropped:?}");
    agent.stop().map(|_| ())
}

#[test]
fn connections_that_find_no_slot_are_dropped_as_often_as_nginx_says() -> Result<()> {
    Way::ALL.into_iter().try_for_each(count_drops)
}

fn count_drops(way: Way) -> Result<()> {
    let nginx = builder().connections(32).start()?;
    let agent = watch_in(&nginx, way)?;
    let mut status = Client::connect(nginx.port())?;
    status.send("GET /status HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let (accepted, handled) = accepts_and_handled(&nginx)?;
    ensure!(accepted == handled, "{accepted} {handled}");
    // Each has begun a request that was read, lest nginx closes it in favour of another.
    let mut held = Vec::new();
    while nginx.error_log().is_empty() {
        let mut client = Client::connect(nginx.port())?;
        let _ = client.send("GET / HTTP/1.1\r\n");
        client.wait_read_or_end()?;
        held.push(client);
    }
    for _ in 0..30 {
        held.push(Client::connect(nginx.port())?);
    }
    let labels = [("reason", "worker_connections")];
    agent.wait_sample("nginx_accepts_dropped_total", &labels, |count| count > 20.0)?;
    held.clear();
    until_true("nginx to answer again", DEADLINE, || {
        Ok(http::get(nginx.port(), "/") == http::Answer::Status(200))
    })?;
    let (accepted, handled) = accepts_and_handled(&nginx)?;
    let dropped = u32::try_from(accepted - handled)?;
    agent.wait_count("nginx_accepts_dropped_total", &labels, dropped)?;
    agent.wait_for("the incident", |r| opens(r, "worker_connections"))?;
    let labels = [("reason", "other")];
    agent.wait_count("nginx_accepts_dropped_total", &labels, 0)?;
    agent.stop().map(|_| ())
}

/// What `stub_status` says.
fn accepts_and_handled(nginx: &Nginx) -> Result<(u64, u64)> {
    let (_, text) = http::get_text(nginx.port(), "/status")?;
    let line = text.lines().nth(2).context("no third line")?;
    let mut numbers = line.split_whitespace().map(str::parse);
    let (accepted, handled) = (
        numbers.next().context("none")??,
        numbers.next().context("none")??,
    );
    Ok((accepted, handled))
}

#[test]
fn a_listener_without_descriptors_is_stalled_for_a_while() -> Result<()> {
    Way::ALL.into_iter().try_for_each(stall)
}

fn stall(way: Way) -> Result<()> {
    let nginx = builder().main("worker_rlimit_nofile 40;").start()?;
    let agent = watch_in(&nginx, way)?;
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(connect(&nginx)?);
    }
    let failures = [("syscall", "accept4"), ("errno", "EMFILE")];
    agent.wait_sample("nginx_syscall_errors_total", &failures, |count| count > 0.5)?;
    agent.wait_for("the incident", |r| opens(r, "fd_exhaustion"))?;
    // nginx looks again after half a second.
    let stalled = [("errno", "EMFILE")];
    agent.wait_sample("nginx_accept_stalled_seconds_total", &stalled, |s| s > 0.4)?;
    held.clear();
    until_true("nginx to answer again", DEADLINE, || {
        Ok(http::get(nginx.port(), "/") == http::Answer::Status(200))
    })?;
    let all = |agent: &Agent| agent.sample("nginx_accept_stalled_seconds_total", &stalled);
    agent.wait_sample("nginx_accepts_total", &[], |count| count > 60.5)?;
    let after = all(&agent)?;
    ensure!(after.is_some_and(|seconds| seconds < 20.0), "{after:?}");
    // Nobody was dropped, and no answer failed.
    let dropped = agent.sample("nginx_accepts_dropped_total", &[])?;
    ensure!(dropped.is_some_and(|dropped| dropped < 0.5), "{dropped:?}");
    ensure!(told(&agent)?.is_empty(), "{:?}", told(&agent)?);
    agent.stop().map(|_| ())
}

#[test]
fn an_upstream_connection_that_finds_no_slot_is_a_failure_of_nginxs_own() -> Result<()> {
    let upstream = Upstream::start()?;
    let nginx = builder()
        .connections(16)
        .location(&format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}",
            upstream.port()
        ))
        .start()?;
    let agent = watch(&nginx)?;
    // Every slot is taken by a request that has begun; then one is let go, which is enough for a
    // client and not for its upstream.
    let mut clients = Vec::new();
    while nginx.error_log().is_empty() {
        let mut client = Client::connect(nginx.port())?;
        let _ = client.send("GET / HTTP/1.1\r\n");
        client.wait_read_or_end()?;
        clients.push(client);
    }
    let failed = until_true("a 500", DEADLINE, || {
        clients.remove(0);
        let mut client = Client::connect(nginx.port())?;
        let _ = client.send("GET /status/200/a HTTP/1.1\r\nHost: x\r\n\r\n");
        ensure!(!clients.is_empty(), "no client is left");
        Ok(client.answer().is_ok_and(|status| status == 500))
    });
    agent.explain(failed)?;
    agent.wait_for("the failure", |record| record["type"] == "response")?;
    let first = told(&agent)?;
    let first = first.first().context("no record")?;
    ensure!(
        first.status == 500 && first.upstream_status.is_empty(),
        "{first:?}"
    );
    // System calls alone do not tell this from other answers of nginx's own.
    ensure!(
        matches!(first.cause.as_str(), "unknown" | "worker_connections"),
        "{first:?}"
    );
    agent.stop().map(|_| ())
}

//! Workers that do not return to their event loop.

use std::thread;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::records::{is, opens};
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

const SPIN: &str = "location = /spin { content_by_lua_block { while true do end } }";
const BLOCK: &str = "location = /block { content_by_lua_block {
    os.execute('exec sleep 6')
    ngx.say('done')
} }";

fn watch(nginx: &Nginx, more: &[&str]) -> Result<Agent> {
    let pid_file = nginx.pid_file().display().to_string();
    let usual = ["--stub-status-every=none", "--incident-quiet=1s"];
    Agent::start(["--pid-file", &pid_file].iter().chain(&usual).chain(more))
}

/// What the first evidence of the hang says.
fn told(agent: &Agent) -> Result<(Value, String)> {
    let opened = agent.wait_for("an incident", |r| opens(r, "worker_hung"))?;
    let first = &opened["evidence"][0];
    ensure!(first["source"] == "hang", "{opened}");
    let what = first["what"].as_str().context("no words")?.to_owned();
    Ok((opened, what))
}

fn only_worker(nginx: &Nginx) -> Result<u32> {
    Ok(*nginx.workers()?.first().context("a worker")?)
}

fn closed(record: &Value) -> bool {
    record["cause"] == "worker_hung" && record["state"] == "closed"
}

#[test]
fn a_spinning_worker_is_told_with_its_request() -> Result<()> {
    let nginx = Nginx::builder().workers(1).location(SPIN).start()?;
    let agent = watch(&nginx, &[])?;
    let worker = only_worker(&nginx)?;
    let port = nginx.port();
    let client = thread::spawn(move || get(port, "/spin?secret=1"));
    let (opened, what) = told(&agent)?;
    let begin = format!("worker {worker} has not returned to its event loop for ");
    let seconds = what
        .strip_prefix(&begin)
        .and_then(|rest| rest.split_once(" s: it spins (state R, "))
        .and_then(|(seconds, _)| seconds.parse::<u64>().ok());
    // A busy host looks later than it should.
    ensure!(seconds.is_some_and(|seconds| seconds >= 5), "{what}");
    let request = &opened["evidence"][1];
    assert_eq!(request["source"], "requests");
    let expected = format!("GET /spin in flight in worker {worker}");
    assert_eq!(request["what"], *expected);
    // It stays open as long as it lasts, and ends with the worker.
    agent.wait_sample("nginx_incident_active", &[("cause", "worker_hung")], |n| {
        n > 0.5
    })?;
    signal(worker, Signal::KILL)?;
    agent.wait_for("its end", closed)?;
    ensure!(matches!(client.join(), Ok(Answer::Broken(_))));
    agent.stop().map(|_| ())
}

#[test]
fn a_blocked_worker_is_told_with_its_call() -> Result<()> {
    let nginx = Nginx::builder().workers(1).location(BLOCK).start()?;
    let agent = watch(&nginx, &["--hang-after=2s"])?;
    let port = nginx.port();
    let client = thread::spawn(move || get(port, "/block"));
    let (_, what) = told(&agent)?;
    ensure!(
        what.contains("it is blocked in wait4 (state S, 0 %"),
        "{what}"
    );
    let end = agent.wait_for("its end", closed)?;
    let returned = end["evidence"]
        .as_array()
        .context("evidence")?
        .iter()
        .any(|piece| {
            let what = piece["what"].as_str().unwrap_or_default();
            what.contains("returned to its event loop after it had not for")
        });
    ensure!(returned, "{end}");
    ensure!(matches!(client.join(), Ok(Answer::Status(200))));
    let records = agent.stop()?;
    let opened = records.iter().filter(|r| opens(r, "worker_hung")).count();
    assert_eq!(opened, 1, "it hung once: {records:?}");
    Ok(())
}

#[test]
fn a_stopped_worker_is_told_to_be_stopped() -> Result<()> {
    let nginx = Nginx::builder().workers(2).start()?;
    let agent = watch(&nginx, &["--hang-after=2s"])?;
    let worker = only_worker(&nginx)?;
    signal(worker, Signal::STOP)?;
    let (_, what) = told(&agent)?;
    ensure!(what.starts_with(&format!("worker {worker} ")), "{what}");
    ensure!(
        what.contains("it is stopped by a signal (state T, 0 %"),
        "{what}"
    );
    signal(worker, Signal::CONT)?;
    agent.wait_for("its end", closed)?;
    agent.stop().map(|_| ())
}

#[test]
fn workers_that_wait_or_work_do_not_hang() -> Result<()> {
    let burn = "location = /burn { content_by_lua_block {
        local stop = os.clock() + 0.2
        while os.clock() < stop do end
    } }";
    let nginx = Nginx::builder().workers(2).location(burn).start()?;
    let agent = watch(&nginx, &["--hang-after=1s"])?;
    let blind = watch(&nginx, &["--hang-after=1s", "--no-kernel"])?;
    // One is idle, the other works without a pause for longer than a hang would take to be told.
    let used = || agent.sample("nginx_worker_cpu_seconds_total", &[]);
    let before = used()?.context("processor time")?;
    until_true("three seconds of processor time", DEADLINE, || {
        ensure!(get(nginx.port(), "/burn") == Answer::Status(200));
        Ok(used()?.is_some_and(|now| now > before + 3.0))
    })?;
    for agent in [agent, blind] {
        agent.wait_count("nginx_probe_source_up", &[("source", "hang")], 1)?;
        let records = agent.stop()?;
        ensure!(!records.iter().any(|r| is(r, "incident")), "{records:?}");
    }
    Ok(())
}

#[test]
fn proc_alone_tells_what_it_can() -> Result<()> {
    let nginx = Nginx::builder()
        .workers(1)
        .location(SPIN)
        .location(BLOCK)
        .start()?;
    for (path, how) in [("/block", "it is blocked in wait4"), ("/spin", "it spins")] {
        let agent = watch(&nginx, &["--hang-after=2s", "--no-kernel"])?;
        let worker = only_worker(&nginx)?;
        let port = nginx.port();
        let client = thread::spawn(move || get(port, path));
        let (_, what) = told(&agent)?;
        ensure!(what.contains(how), "{what}");
        agent.stop()?;
        signal(worker, Signal::KILL)?;
        let _ = client.join();
        nginx.wait_replaced(&[worker])?;
    }
    Ok(())
}

//! What workers hold and use, by slot.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::metrics::by_label;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal, wait_gone};
use nginx_probe_tests::wait::{DEADLINE, until, until_true};

const FDS: &str = "nginx_worker_open_fds";
const RESIDENT: &str = "nginx_worker_resident_memory_bytes";
const CPU: &str = "nginx_worker_cpu_seconds_total";

#[test]
fn descriptors_are_those_of_proc() -> Result<()> {
    let nginx = Nginx::builder()
        .workers(3)
        .main("worker_rlimit_nofile 32;")
        .start()?;
    let agent = Agent::watch(&nginx)?;
    until_true("the descriptors that /proc shows", DEADLINE, || {
        let mut real = Vec::new();
        for worker in nginx.workers()? {
            let entries = fs::read_dir(format!("/proc/{worker}/fd"))?;
            real.push(entries.count().to_string());
        }
        let shown = by_label(&agent.metrics()?, FDS, "worker");
        assert!(shown.keys().eq(["0", "1", "2"]), "{shown:?}");
        let shown: Vec<_> = shown.values().map(ToString::to_string).collect();
        Ok(shown == real)
    })?;
    let text = agent.metrics()?;
    for (name, expected) in [
        ("nginx_worker_max_fds", 32),
        ("nginx_worker_max_connections", 256),
    ] {
        let values = by_label(&text, name, "worker");
        assert!(
            values.len() == 3 && values.values().all(|value| is(*value, expected)),
            "{name}: {values:?}"
        );
    }
    agent.wait_sample("nginx_probe_host_memory_available_bytes", &[], |bytes| {
        bytes > 1e6
    })?;
    agent.wait_sample("nginx_probe_host_open_files", &[], |files| files > 0.0)?;
    agent.wait_count("nginx_probe_source_up", &[("source", "processes")], 1)?;
    agent.stop().map(|_| ())
}

#[test]
fn the_worker_that_works_is_the_one_that_shows() -> Result<()> {
    // At most 3 s, in which it holds 64 MiB.
    let burn = "location = /burn { content_by_lua_block {
        local ffi = require 'ffi'
        local block = ffi.C.malloc(67108864)
        ffi.C.memset(block, 1, 67108864)
        local stop = os.clock() + 3
        while os.clock() < stop do end
        ngx.say(os.clock())
    } }";
    let nginx = Nginx::builder().location(burn).start()?;
    let agent = Agent::watch(&nginx)?;
    let before = agent.metrics()?;
    let (cpu, memory) = (
        by_label(&before, CPU, "worker"),
        by_label(&before, RESIDENT, "worker"),
    );
    assert_eq!(get(nginx.port(), "/burn"), Answer::Status(200));
    let rose = |now: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>, by: f64| {
        let rose = now
            .iter()
            .filter(|(slot, now)| *now - before[*slot] > by)
            .map(|(slot, _)| slot.clone());
        rose.collect::<Vec<_>>()
    };
    let burnt = until("processor time of one worker", DEADLINE, || {
        let rose = rose(&by_label(&agent.metrics()?, CPU, "worker"), &cpu, 2.0);
        Ok((!rose.is_empty()).then_some(rose))
    })?;
    let now = by_label(&agent.metrics()?, RESIDENT, "worker");
    assert_eq!(rose(&now, &memory, 48e6), burnt);
    assert_eq!(burnt.len(), 1);
    agent.stop().map(|_| ())
}

#[test]
fn slots_outlive_their_workers() -> Result<()> {
    let nginx = Nginx::builder().workers(3).start()?;
    // The agent's own connections would be among those that are counted below.
    let pid_file = nginx.pid_file().display().to_string();
    let agent = Agent::start(["--pid-file", &pid_file, "--stub-status-every", "none"])?;
    wait_slots(&agent, 3, "nginx_worker_max_connections", 256)?;
    let total = || agent.sample(CPU, &[]).map(Option::unwrap_or_default);
    let before = total()?;

    // The worker that has one more descriptor dies: once the sum is as before, it was replaced.
    let fds = |pid: &u32| Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count());
    let idle: Vec<usize> = nginx.workers()?.iter().map(fds).collect::<Result<_>>()?;
    let connection = TcpStream::connect(("127.0.0.1", nginx.port()))?;
    let holder = until("who took the connection", DEADLINE, || {
        let workers = nginx.workers()?;
        let now: Vec<usize> = workers.iter().map(fds).collect::<Result<_>>()?;
        let grown = now.iter().zip(&idle).position(|(now, idle)| now > idle);
        Ok(grown.map(|place| workers[place]))
    })?;
    let sum = u32::try_from(idle.iter().sum::<usize>())?;
    agent.wait_count(FDS, &[], sum + 1)?;
    signal(holder, Signal::KILL)?;
    agent.wait_count(FDS, &[], sum)?;
    wait_slots(&agent, 3, "nginx_worker_max_connections", 256)?;
    drop(connection);

    // Each configuration has a number of its own, by which its workers are known.
    configure(&nginx, "worker_connections 256;", "worker_connections 301;")?;
    nginx.reload()?;
    wait_slots(&agent, 3, "nginx_worker_max_connections", 301)?;
    assert!(total()? >= before, "a counter went backwards");
    configure(&nginx, "worker_connections 301;", "worker_connections 302;")?;
    let old = nginx.upgrade()?;
    wait_slots(&agent, 3, "nginx_worker_max_connections", 302)?;
    signal(old, Signal::QUIT)?;
    wait_gone(old, DEADLINE)?;
    assert!(total()? >= before, "a counter went backwards");
    configure(&nginx, "worker_processes 3;", "worker_processes 1;")?;
    configure(&nginx, "worker_connections 302;", "worker_connections 303;")?;
    nginx.signal(Signal::HUP)?;
    wait_slots(&agent, 1, "nginx_worker_max_connections", 303)?;
    agent.stop().map(|_| ())
}

/// Waits until the slots 0 to `count` are there, no other, and each has this value. There are never
/// more than three.
fn wait_slots(agent: &Agent, count: u32, name: &str, value: u32) -> Result<()> {
    let all: Vec<String> = (0..count).map(|slot| slot.to_string()).collect();
    let what = format!("{count} slots with {name} {value}");
    until_true(&what, DEADLINE, || {
        let text = agent.metrics()?;
        // Processor time is there for a slot that has no worker for a moment, too.
        let cpu = by_label(&text, CPU, "worker");
        let values = by_label(&text, name, "worker");
        ensure!(cpu.len() <= 3 && values.len() <= 3, "{cpu:?} {values:?}");
        Ok(cpu.keys().eq(&all)
            && values.keys().eq(&all)
            && values.values().all(|found| is(*found, value)))
    })
}

fn configure(nginx: &Nginx, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(nginx.config_file())?;
    ensure!(text.contains(from), "no {from} in the configuration");
    Ok(fs::write(nginx.config_file(), text.replace(from, to))?)
}

#[test]
fn a_replacement_goes_on_where_the_dead_stopped() -> Result<()> {
    let burn = "location = /burn { content_by_lua_block {
        local stop = os.clock() + 1
        while os.clock() < stop do end
    } }";
    let nginx = Nginx::builder().workers(1).location(burn).start()?;
    let agent = Agent::watch(&nginx)?;
    let _ = get(nginx.port(), "/burn");
    let slot = [("worker", "0")];
    let burnt = agent.wait_sample(CPU, &slot, |seconds| seconds > 0.9)?;
    let worker = *nginx.workers()?.first().context("a worker")?;
    signal(worker, Signal::KILL)?;
    let after = nginx.wait_replaced(&[worker])?;
    // The new worker works too: what it used comes on top, and at no moment is there less.
    let _ = get(nginx.port(), "/burn");
    until_true("the new worker's processor time", DEADLINE, || {
        let now = agent.sample(CPU, &slot)?.context("the series is gone")?;
        ensure!(now >= burnt, "{now} after {burnt}");
        Ok(now > burnt + 0.9)
    })?;
    // A new worker opens some more at first.
    until_true("the descriptors of the new worker", DEADLINE, || {
        let held = fs::read_dir(format!("/proc/{}/fd", after[0]))?.count();
        let held = u32::try_from(held)?;
        Ok(agent.sample(FDS, &slot)?.is_some_and(|told| is(told, held)))
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn a_stopped_nginx_has_no_slots() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    agent.wait_sample(FDS, &[("worker", "1")], |fds| fds > 0.0)?;
    nginx.quit()?;
    until_true("no series", DEADLINE, || {
        let text = agent.metrics()?;
        Ok(by_label(&text, FDS, "worker").is_empty())
    })?;
    agent.stop().map(|_| ())
}

fn is(value: f64, expected: u32) -> bool {
    nginx_probe_tests::agent::is_count(value, expected)
}

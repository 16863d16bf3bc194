//! The way from the kernel to the agent: what piles up is read to its end.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, require_root, signal};
use nginx_probe_tests::records::{is_exit, pid};
use nginx_probe_tests::wait::{DEADLINE, until_true};

/// More than the agent takes from the ring buffer at once.
const BACKLOG: f64 = 1500.0;

#[test]
fn a_backlog_is_read_to_its_end() -> Result<()> {
    require_root()?;
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let master = nginx.master()?;
    signal(agent.pid(), Signal::STOP)?;
    // A signal that is still pending is not sent again, so the master is given time to take each:
    // how many were really sent is looked at below.
    for _ in 0..6000 {
        signal(master, Signal::USR1)?;
        sleep(Duration::from_micros(100));
    }
    signal(agent.pid(), Signal::CONT)?;
    let counted = [("kind", "signal")];
    until_true("the backlog to be read", DEADLINE, || {
        let count = agent.sample("nginx_probe_events_total", &counted)?;
        Ok(count.is_some_and(|count| count > BACKLOG))
    })?;
    let worker = nginx.workers()?.first().copied();
    ensure!(worker.is_some(), "nginx has workers");
    signal(worker.unwrap_or_default(), Signal::KILL)?;
    agent.wait_for("the death after the backlog", |record| {
        is_exit(record, "killed") && pid(record) == worker
    })?;
    agent.stop().map(|_| ())
}

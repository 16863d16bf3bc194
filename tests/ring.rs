//! The way from the kernel to the agent: what piles up is read to its end.

use std::thread::yield_now;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, is_pending, require_root, signal};
use nginx_probe_tests::records::{is_exit, pid};
use nginx_probe_tests::wait::{DEADLINE, patience, until_true};

/// More than the agent takes from the ring buffer at once.
const BACKLOG: u32 = 1500;

#[test]
fn a_backlog_is_read_to_its_end() -> Result<()> {
    require_root()?;
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let master = nginx.master()?;
    signal(agent.pid(), Signal::STOP)?;
    let end = Instant::now() + DEADLINE * patience();
    for sent in 0..BACKLOG {
        signal(master, Signal::USR1)?;
        // One that is still pending would not be sent again.
        while is_pending(master, Signal::USR1)? {
            ensure!(Instant::now() < end, "nginx took {sent} signals only");
            yield_now();
        }
    }
    signal(agent.pid(), Signal::CONT)?;
    let counted = [("kind", "signal")];
    until_true("the backlog to be read", DEADLINE, || {
        let count = agent.sample("nginx_probe_events_total", &counted)?;
        Ok(count.is_some_and(|count| count >= f64::from(BACKLOG)))
    })?;
    let worker = *nginx.workers()?.first().context("nginx has no worker")?;
    signal(worker, Signal::KILL)?;
    agent.wait_for("the death after the backlog", |record| {
        is_exit(record, "killed") && pid(record) == Some(worker)
    })?;
    agent.stop().map(|_| ())
}

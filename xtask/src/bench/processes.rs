//! What looking at every worker costs the agent.
//!
//! The agent beside an nginx with one worker and beside one with many, in turn: the difference is
//! what the others cost, however the agent spends it.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;

use super::figures::{Pairs, Table, figure};
use super::usage::Usage;

const WORKERS: u16 = 64;
const PAIRS: u32 = 6;
const TIME: Duration = Duration::from_secs(10);
/// Between two passes of the agent, in seconds.
const PASS: f64 = 2.0;
/// Of one processor, for all workers.
const LIMIT_PERCENT: f64 = 0.5;

pub(super) fn measure() -> Result<Vec<Table>> {
    eprintln!("an agent beside 1 and beside {WORKERS} workers, {PAIRS} times {TIME:?} each …");
    let few = Nginx::builder().workers(1).start()?;
    let many = Nginx::builder().workers(WORKERS).start()?;
    let of_few = watch(&few)?;
    let of_many = watch(&many)?;
    let last = (WORKERS - 1).to_string();
    of_many.wait_sample("nginx_worker_open_fds", &[("worker", &last)], |fds| {
        fds > 0.0
    })?;
    let mut pairs = Pairs::default();
    for _ in 0..PAIRS {
        let before = [Usage::of(of_few.pid())?, Usage::of(of_many.pid())?];
        thread::sleep(TIME);
        let after = [Usage::of(of_few.pid())?, Usage::of(of_many.pid())?];
        let percent = |which: usize| -> Result<f64> {
            let after = after.get(which).context("measured")?.cpu;
            let before = before.get(which).context("measured")?.cpu;
            Ok(after.saturating_sub(before).as_secs_f64() / TIME.as_secs_f64() * 100.0)
        };
        pairs.push(percent(0)?, percent(1)?);
    }
    of_few.stop()?;
    of_many.stop()?;

    let more = pairs.differences();
    let workers = f64::from(WORKERS - 1);
    let mut table =
        Table::new("processes: what the agent spends on workers that have nothing to do");
    table.row("workers", WORKERS.to_string());
    table.row(
        "agent's processor time with 1 worker, of one processor",
        figure(pairs.without().median(), "%"),
    );
    table.row("the same with all", figure(pairs.with().median(), "%"));
    table.below("the difference, median", more.median(), LIMIT_PERCENT, "%");
    let microseconds = more.median() / 100.0 * PASS * 1e6 / workers;
    table.row(
        "of it for each worker and pass (every 2 s)",
        figure(microseconds, "µs"),
    );
    table.row("least and most difference", {
        let [low, high] = [more.min(), more.max()].map(|value| figure(value, "%"));
        format!("{low} to {high}")
    });
    Ok(vec![table])
}

fn watch(nginx: &Nginx) -> Result<Agent> {
    let pid_file = nginx.pid_file().display().to_string();
    Agent::start(["--pid-file", &pid_file, "--stub-status-every", "none"])
}

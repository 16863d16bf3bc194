//! From starting the agent to its line `ready`.

use anyhow::{Context as _, Result};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;

use super::figures::{Sorted, Table, figure};
use super::usage::Memory;

const RUNS: u32 = 20;
/// For the slowest start, in milliseconds.
const LIMIT_MS: f64 = 1000.0;

pub(super) fn measure() -> Result<Vec<Table>> {
    eprintln!("starting {RUNS} agents, one after the other …");
    let nginx = Nginx::builder().workers(2).start()?;
    let (mut times, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let agent = Agent::watch(&nginx)?;
        resident.push(Memory::of(agent.pid())?.resident);
        let time = agent.time_to_ready().context("ready, but never said so")?;
        times.push(time.as_secs_f64() * 1e3);
        agent.stop()?;
    }
    let (times, resident) = (Sorted::new(times), Sorted::new(resident));
    let mut table = Table::new("start: from starting the agent to `ready`, with one nginx");
    table.row("starts", RUNS.to_string());
    table.row("median", figure(times.median(), "ms"));
    table.row("p90", figure(times.percentile(90), "ms"));
    table.below("p99, the slowest", times.percentile(99), LIMIT_MS, "ms");
    table.row(
        "resident when ready, median",
        figure(resident.median(), "MiB"),
    );
    table.row("resident when ready, most", figure(resident.max(), "MiB"));
    Ok(vec![table])
}

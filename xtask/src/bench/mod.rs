//! `cargo xtask bench`: what the agent costs and how fast it is, measured on this host.
//!
//! The real agent and a real nginx. A figure beyond its target is said, and is no failure: what
//! else the host does has a part in every figure.

mod correlate;
mod death_latency;
pub(crate) mod figures;
mod follow;
mod idle;
mod load;
mod logs;
mod made_log;
mod overhead;
mod peers;
mod processes;
mod programs;
mod spawner;
mod start;
mod tracer;
mod usage;

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use nginx_probe_tests::command;
use nginx_probe_tests::processes::{find, require_root};

use self::figures::Table;
use crate::build;

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure [default: all]
    #[arg(value_enum, value_name = "BENCHMARK")]
    which: Vec<Benchmark>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Benchmark {
    /// From the death of a worker to its record on standard output
    DeathLatency,
    /// What an agent with nothing to tell costs, and what it adds to unrelated processes
    Idle,
    /// What following every request costs a worker, and system calls of unrelated processes
    Overhead,
    /// What looking at every worker costs the agent
    Processes,
    /// What `nginx-probe logs` reads a second, beside mawk and mtail (fetched the first time), its
    /// memory, and what it costs the agent to follow a busy log
    Logs,
    /// How many facts the correlator takes a second, and what recording and replaying them takes
    Correlate,
    /// From starting the agent to `ready`
    Start,
}

impl Benchmark {
    fn measure(self, repo: &Path) -> Result<Vec<Table>> {
        match self {
            Self::DeathLatency => death_latency::measure(),
            Self::Idle => idle::measure(),
            Self::Overhead => overhead::measure(),
            Self::Processes => processes::measure(),
            Self::Logs => {
                let mut tables = logs::measure()?;
                tables.push(follow::measure()?);
                Ok(tables)
            }
            Self::Correlate => correlate::measure(repo),
            Self::Start => start::measure(),
        }
    }
}

/// `cargo xtask bench`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    require_root()?;
    build::both(repo, false)?;

    println!("agent: {}", command::binary()?.canonicalize()?.display());
    println!("host: {}", host()?);
    let all = [
        Benchmark::DeathLatency,
        Benchmark::Idle,
        Benchmark::Overhead,
        Benchmark::Processes,
        Benchmark::Logs,
        Benchmark::Correlate,
        Benchmark::Start,
    ];
    let mut missed = Vec::new();
    for benchmark in all {
        if !args.which.is_empty() && !args.which.contains(&benchmark) {
            continue;
        }
        for table in benchmark.measure(repo)? {
            print!("\n{table}");
            missed.extend(table.missed().map(str::to_owned));
        }
    }
    println!();
    match missed.as_slice() {
        [] => println!("every target holds"),
        missed => println!("missed: {}", missed.join("; ")),
    }
    println!("host: {}", host()?);
    Ok(())
}

/// What else has a part in the figures.
fn host() -> Result<String> {
    let kernel = rustix::system::uname();
    let load = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    let others = find(|seen| {
        let program = seen.title.split(' ').next().unwrap_or_default();
        Path::new(program).ends_with("nginx-probe")
    });
    let masters = find(|seen| seen.title.starts_with("nginx: master process"));
    Ok(format!(
        "Linux {}, {} processors, load average {}, other agents running: {}, other nginx: {}",
        kernel.release().to_string_lossy(),
        thread::available_parallelism().context("counting processors")?,
        load.split_whitespace()
            .take(3)
            .collect::<Vec<_>>()
            .join(" "),
        others.len(),
        masters.len()
    ))
}

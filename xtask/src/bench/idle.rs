//! What an agent with nothing to tell costs: itself, and the processes it does not care about.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;

use super::figures::{Pairs, Sorted, Table, figure};
use super::programs::{self, Counting};
use super::spawner::{Spawned, spawn};
use super::usage::{Memory, Usage};

/// Unrelated processes a second.
const RATE: u32 = 200;
const TIME: Duration = Duration::from_secs(20);
/// Many short pairs: what else the host does changes within seconds.
const PAIRS: u32 = 25;
const HALF_OF_PAIR: Duration = Duration::from_secs(1);
const COUNTING: Duration = Duration::from_secs(5);

/// Of one processor.
const LIMIT_CPU_PERCENT: f64 = 1.0;
const LIMIT_RESIDENT_MIB: f64 = 24.0;

pub(super) fn measure() -> Result<Vec<Table>> {
    let nginx = Nginx::builder().workers(2).start()?;
    let agent = Agent::watch(&nginx)?;
    let cost = cost(&agent)?;
    let runs = runs(&agent)?;
    agent.stop()?;
    Ok(vec![cost, runs, added(&nginx)?])
}

/// What the agent itself uses.
fn cost(agent: &Agent) -> Result<Table> {
    eprintln!("an idle agent beside {RATE} processes a second, for {TIME:?} …");
    let before_events = events(agent)?;
    let before = Usage::of(agent.pid())?;
    let spawned = spawn(RATE, TIME)?;
    let after = Usage::of(agent.pid())?;
    let memory = Memory::of(agent.pid())?;
    let received = received(&before_events, events(agent)?);
    let kernel = agent.sample("nginx_probe_kernel_memory_bytes", &[])?;

    let seconds = spawned.elapsed.as_secs_f64();
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
    let wakeups = f64::from(u32::try_from(after.sleeps.saturating_sub(before.sleeps))?);
    let mut table =
        Table::new("idle: the agent, watching an nginx with nothing to do on a busy host");
    table.row("time", figure(seconds, "s"));
    rate(&mut table, &spawned);
    table.below(
        "agent's processor time, of one processor",
        cpu / seconds * 100.0,
        LIMIT_CPU_PERCENT,
        "%",
    );
    table.row("wake-ups a second", figure(wakeups / seconds, ""));
    table.equal(
        "records from the kernel",
        received.iter().map(|(_, count)| count).sum(),
        0,
    );
    for (kind, count) in received {
        // The kernel side lets through what any process called nginx does.
        table.row(
            format!("  {kind}: did another nginx run here?"),
            count.to_string(),
        );
    }
    table.below(
        "resident memory at the end",
        memory.resident,
        LIMIT_RESIDENT_MIB,
        "MiB",
    );
    table.row("of it heap and stacks", figure(memory.anonymous, "MiB"));
    table.row("resident memory at its peak", figure(memory.peak, "MiB"));
    let kernel = kernel.context("no nginx_probe_kernel_memory_bytes")?;
    table.row("kernel memory", figure(kernel / 1024.0, "KiB"));
    Ok(table)
}

/// What the kernel spends in each of the agent's programs.
fn runs(agent: &Agent) -> Result<Table> {
    let mut table = Table::new("idle: the agent's programs in the kernel, under the same load");
    let _counting = match Counting::start() {
        Ok(counting) => counting,
        Err(error) => {
            table.row("not measured", format!("{error:#}"));
            return Ok(table);
        }
    };
    eprintln!("the same with run-time statistics of eBPF programs, for {COUNTING:?} …");
    let before = programs::runs_of(agent.pid())?;
    let spawned = spawn(RATE, COUNTING)?;
    let after = programs::runs_of(agent.pid())?;

    rate(&mut table, &spawned);
    let seconds = spawned.elapsed.as_secs_f64();
    let mut all = Duration::ZERO;
    for (name, runs) in programs::since(&before, after) {
        all += runs.time;
        let count = f64::from(u32::try_from(runs.count)?);
        let each = if runs.count == 0 {
            "never ran".to_owned()
        } else {
            figure(runs.time.as_secs_f64() * 1e9 / count, "ns a run")
        };
        let often = figure(count / seconds, "");
        table.row(format!("{name}, {often} runs a second"), each);
    }
    // At most: runs for whatever else the host does are in it.
    table.row(
        "all programs, for one unrelated process, at most",
        figure(all.as_secs_f64() * 1e6 / f64::from(spawned.count), "µs"),
    );
    table.row(
        "all programs, of one processor",
        figure(all.as_secs_f64() / seconds * 100.0, "%"),
    );
    Ok(table)
}

/// What the agent adds to a process that is none of its business.
fn added(nginx: &Nginx) -> Result<Table> {
    eprintln!("without and with the agent in turn, {PAIRS} pairs of {HALF_OF_PAIR:?} each …");
    let (mut pairs, mut rates) = (Pairs::default(), Vec::new());
    for number in 0..PAIRS {
        // Each goes first in every other pair, so that a steady drift helps neither.
        let first = (number % 2 == 1).then(|| with_agent(nginx)).transpose()?;
        let without = spawn(RATE, HALF_OF_PAIR)?;
        let with = first.map_or_else(|| with_agent(nginx), Ok)?;
        pairs.push(without.cpu_us_each(), with.cpu_us_each());
        rates.extend([without.rate(), with.rate()]);
    }
    let mut table = Table::new(format!(
        "idle: processor time of an unrelated process (fork, exec, exit, wait), {PAIRS} pairs"
    ));
    let spread = |table: &mut Table, what: &str, values: &Sorted, unit: &str| {
        table.row(format!("{what}, median"), figure(values.median(), unit));
        let ends = values.median_interval().map(|value| figure(value, unit));
        table.row("  95 % interval of the median", ends.join(" to "));
        let ends = [values.min(), values.max()].map(|value| figure(value, unit));
        table.row("  least to most", ends.join(" to "));
    };
    let slowest = Sorted::new(rates).min();
    table.row(
        format!("processes a second, of {RATE}, at least"),
        figure(slowest, ""),
    );
    spread(&mut table, "without the agent", &pairs.without(), "µs");
    spread(&mut table, "with the agent", &pairs.with(), "µs");
    spread(&mut table, "with / without", &pairs.ratios(), "");
    spread(&mut table, "with - without", &pairs.differences(), "µs");
    Ok(table)
}

fn with_agent(nginx: &Nginx) -> Result<Spawned> {
    let agent = Agent::watch(nginx)?;
    let spawned = spawn(RATE, HALF_OF_PAIR)?;
    agent.stop()?;
    Ok(spawned)
}

fn rate(table: &mut Table, spawned: &Spawned) {
    table.row(
        format!("unrelated processes a second, of {RATE}"),
        figure(spawned.rate(), ""),
    );
}

/// Records that the agent has had from the kernel, by the labels of their samples.
fn events(agent: &Agent) -> Result<BTreeMap<String, u32>> {
    let text = agent.metrics()?;
    let samples = text.lines().filter_map(|line| {
        line.strip_prefix("nginx_probe_events_total")?
            .split_once(' ')
    });
    let counts = samples
        .map(|(labels, value)| {
            let value = value.parse().with_context(|| format!("{labels} {value}"))?;
            Ok((labels.to_owned(), value))
        })
        .collect::<Result<BTreeMap<_, _>>>()?;
    ensure!(!counts.is_empty(), "no nginx_probe_events_total in {text}");
    Ok(counts)
}

/// What came between two looks.
fn received(before: &BTreeMap<String, u32>, after: BTreeMap<String, u32>) -> Vec<(String, u32)> {
    let more = after.into_iter().map(|(kind, after)| {
        let before = before.get(&kind).copied().unwrap_or_default();
        (kind, after.saturating_sub(before))
    });
    more.filter(|(_, count)| *count > 0).collect()
}

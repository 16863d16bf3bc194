//! What following every request costs a worker, and what it costs everybody else.

mod stage;

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::wait::{DEADLINE, until_true};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use self::stage::stage;
use super::figures::{Pairs, Table, figure};
use super::load::{Load, system_calls};
use super::programs::{self, Counting};
use super::tracer::Bpftrace;
use super::usage::Usage;

/// Without and with the agent, in turn.
const PAIRS: u32 = 21;
/// Requests of one half of a pair.
const STATIC_REQUESTS: u32 = 50_000;
const PROXIED_REQUESTS: u32 = 12_000;
/// System calls of one half of a pair.
const CALLS: u32 = 1_000_000;

/// Percent more processor time of a worker for a request.
const LIMIT_STATIC: f64 = 3.0;
const LIMIT_PROXIED: f64 = 2.0;
const LIMIT_TLS: f64 = 1.0;
const LIMIT_DEATHS_ALONE: f64 = 0.5;
/// Nanoseconds more for a system call of an unrelated process.
const LIMIT_CALL_NS: f64 = 60.0;
/// Kernel memory for four workers of 4,096 connections, in MiB.
const LIMIT_KERNEL_MIB: f64 = 8.0;

/// The agent's choices that are compared.
const ALL: &[&str] = &[];
const DEATHS_ALONE: &[&str] = &["--follow=none", "--no-logs"];
const SYSCALLS: &[&str] = &["--follow=syscalls"];

pub(super) fn measure() -> Result<Vec<Table>> {
    let stage = stage()?;
    let (nginx, client) = (&stage.nginx, &stage.client);
    alone(worker(nginx)?)?;
    let mut table = Table::new(format!(
        "overhead: processor time of a worker for a request, {PAIRS} pairs"
    ));
    let agent = |options: &'static [&str]| {
        move || {
            let agent = with_agent(nginx, options)?;
            Ok(Box::new(move || agent.stop().map(drop)) as Stop)
        }
    };
    let (plain, through_tls) = (nginx.port(), client.port());
    let worlds = [
        World("static 1 KB", plain, "/static/kb", ALL, LIMIT_STATIC),
        World("proxied 1 KB", plain, "/kb", ALL, LIMIT_PROXIED),
        World(
            "static 1 KB over TLS",
            through_tls,
            "/static/kb",
            ALL,
            LIMIT_TLS,
        ),
        World(
            "static 1 KB, deaths alone",
            plain,
            "/static/kb",
            DEATHS_ALONE,
            LIMIT_DEATHS_ALONE,
        ),
    ];
    for World(what, port, path, options, limit) in worlds {
        eprintln!("{what}, without and with the agent in turn, {PAIRS} pairs …");
        let pairs = requests_in_turn(nginx, (port, path), agent(options))?;
        table.row(
            format!("{what}, without the agent, median"),
            figure(pairs.without().median(), "µs"),
        );
        let percent = percent_of(pairs.ratios().median());
        table.below(
            &format!("{what}, more with the agent, median"),
            percent,
            limit,
            "%",
        );
        spread(&mut table, &pairs);
    }
    // The same programs at the same places, which find that it is none of theirs.
    let what = "static 1 KB, the agent watches another nginx: the floor";
    eprintln!("{what}, in turn, {PAIRS} pairs …");
    let other = || {
        let agent = with_agent(client, ALL)?;
        Ok(Box::new(move || agent.stop().map(drop)) as Stop)
    };
    let pairs = requests_in_turn(nginx, (plain, "/static/kb"), other)?;
    more(&mut table, what, &pairs);
    let what = "static 1 KB, every system call followed";
    eprintln!("{what}, without and with the agent in turn, {PAIRS} pairs …");
    let pairs = requests_in_turn(nginx, (plain, "/static/kb"), agent(SYSCALLS))?;
    more(&mut table, what, &pairs);
    let what = "static 1 KB, bpftrace counting the same calls";
    match traced(nginx, what) {
        Ok(pairs) => more(&mut table, what, &pairs),
        Err(error) => table.row("bpftrace, not measured", format!("{error:#}")),
    }
    Ok(vec![table, runs(nginx)?, calls(nginx)?, memory()?])
}

/// What a bpftrace script costs that counts the calls with which a worker reads and writes.
fn traced(nginx: &Nginx, what: &str) -> Result<Pairs> {
    let bpftrace = Bpftrace::find()?;
    eprintln!("{what}, in turn, {PAIRS} pairs …");
    let worker = worker(nginx)?;
    let start = || {
        let tracer = bpftrace.count_calls(worker)?;
        Ok(Box::new(move || tracer.stop()) as Stop)
    };
    requests_in_turn(nginx, (nginx.port(), "/static/kb"), start)
}

/// Gives the first processor to a worker, and the others to whatever we start, so that who asks and
/// who answers do not move each other. Not on a host with one processor.
fn alone(worker: u32) -> Result<()> {
    let ours = sched_getaffinity(Pid::this()).context("reading the processors that are ours")?;
    let usable = |cpu: &usize| ours.is_set(*cpu).unwrap_or(false);
    let mut usable = (0..CpuSet::count()).filter(usable);
    let (mut first, mut others) = (CpuSet::new(), CpuSet::new());
    first.set(usable.next().context("no processor is ours")?)?;
    let mut left = 0;
    for cpu in usable {
        others.set(cpu)?;
        left += 1;
    }
    if left > 0 {
        let worker = Pid::from_raw(i32::try_from(worker)?);
        sched_setaffinity(worker, &first).context("moving the worker")?;
        sched_setaffinity(Pid::this(), &others).context("moving ourselves")?;
    }
    Ok(())
}

/// What is measured: its name, the port and the path, the agent's options, the target.
struct World(
    &'static str,
    u16,
    &'static str,
    &'static [&'static str],
    f64,
);

/// Ends what was started, and makes sure that it had run.
type Stop = Box<dyn FnOnce() -> Result<()>>;

fn percent_of(ratio: f64) -> f64 {
    (ratio - 1.0) * 100.0
}

/// A figure without a target.
fn more(table: &mut Table, what: &str, pairs: &Pairs) {
    let percent = percent_of(pairs.ratios().median());
    table.row(format!("{what}, more, median"), figure(percent, "%"));
    spread(table, pairs);
}

fn spread(table: &mut Table, pairs: &Pairs) {
    let ends = pairs
        .ratios()
        .median_interval()
        .map(|ratio| figure(percent_of(ratio), "%"));
    table.row("  95 % interval of the median", ends.join(" to "));
    table.row(
        "  with - without, median",
        figure(pairs.differences().median() * 1000.0, "ns"),
    );
}

fn requests_in_turn(
    nginx: &Nginx,
    (port, path): (u16, &str),
    start: impl Fn() -> Result<Stop>,
) -> Result<Pairs> {
    let requests = if path == "/kb" {
        PROXIED_REQUESTS
    } else {
        STATIC_REQUESTS
    };
    let worker = worker(nginx)?;
    let mut load = Load::start(port, path)?;
    load.run(requests / 4)?;
    let mut one = || -> Result<f64> {
        let before = Usage::of(worker)?.cpu;
        load.run(requests)?;
        let used = Usage::of(worker)?.cpu.saturating_sub(before);
        Ok(used.as_secs_f64() * 1e6 / f64::from(requests))
    };
    in_turn(start, &mut one)
}

/// Measures without and with what `start` starts, each first in every other pair.
fn in_turn(
    start: impl Fn() -> Result<Stop>,
    one: &mut impl FnMut() -> Result<f64>,
) -> Result<Pairs> {
    let mut pairs = Pairs::default();
    for number in 0..PAIRS {
        let with = |one: &mut dyn FnMut() -> Result<f64>| -> Result<f64> {
            let stop = start()?;
            let value = one()?;
            stop()?;
            Ok(value)
        };
        let first = (number % 2 == 1).then(|| with(one)).transpose()?;
        let without = one()?;
        let with = first.map_or_else(|| with(one), Ok)?;
        pairs.push(without, with);
    }
    Ok(pairs)
}

fn with_agent(nginx: &Nginx, options: &[&str]) -> Result<Agent> {
    let pid_file = nginx.pid_file();
    let mut arguments = vec![OsStr::new("--pid-file"), pid_file.as_os_str()];
    arguments.extend(options.iter().map(OsStr::new));
    let agent = Agent::start(arguments)?;
    wait_quiet(agent.pid())?;
    Ok(agent)
}

/// Waits until a process that has begun has nothing more to do than it always has: what is
/// measured is how it runs.
fn wait_quiet(pid: u32) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(100);
    /// Of one processor.
    const QUIET: f64 = 0.03;
    until_true(
        "an agent that has started to come to rest",
        DEADLINE,
        || {
            let before = Usage::of(pid)?.cpu;
            std::thread::sleep(LOOK);
            let used = Usage::of(pid)?.cpu.saturating_sub(before);
            Ok(used.as_secs_f64() < QUIET * LOOK.as_secs_f64())
        },
    )
}

fn worker(nginx: &Nginx) -> Result<u32> {
    let workers = nginx.wait_serving()?;
    workers.first().copied().context("no worker")
}

/// What the kernel spends in each program for a request.
fn runs(nginx: &Nginx) -> Result<Table> {
    let mut table = Table::new("overhead: the agent's programs in the kernel, for a request");
    let agent = with_agent(nginx, ALL)?;
    for (what, path) in [("static", "/static/kb"), ("proxied", "/kb")] {
        let mut load = Load::start(nginx.port(), path)?;
        load.run(100)?;
        let _counting = match Counting::start() {
            Ok(counting) => counting,
            Err(error) => {
                table.row("not measured", format!("{error:#}"));
                return Ok(table);
            }
        };
        let before = programs::runs_of(agent.pid())?;
        let requests = PROXIED_REQUESTS;
        load.run(requests)?;
        for (name, runs) in programs::since(&before, programs::runs_of(agent.pid())?) {
            if runs.count > u64::from(requests) {
                let count = f64::from(u32::try_from(runs.count)?);
                let each = figure(runs.time.as_secs_f64() * 1e9 / count, "ns a run");
                // The client's and the upstream's calls run it too.
                let often = figure(count / f64::from(requests), "runs a request");
                table.row(format!("{what}: {name}, {often}"), each);
            }
        }
    }
    agent.stop()?;
    Ok(table)
}

/// What an unrelated process pays for each of its system calls.
fn calls(nginx: &Nginx) -> Result<Table> {
    eprintln!("system calls of an unrelated process, {PAIRS} pairs …");
    let mut one = || Ok(system_calls(CALLS).as_secs_f64() * 1e9 / f64::from(CALLS));
    let start = || {
        let agent = with_agent(nginx, ALL)?;
        Ok(Box::new(move || agent.stop().map(drop)) as Stop)
    };
    let pairs = in_turn(start, &mut one)?;
    let mut table = Table::new(format!(
        "overhead: a system call (getppid) of an unrelated process, {PAIRS} pairs"
    ));
    table.row(
        "without the agent, median",
        figure(pairs.without().median(), "ns"),
    );
    table.below(
        "more with the agent, median",
        pairs.differences().median(),
        LIMIT_CALL_NS,
        "ns",
    );
    let ends = pairs.differences().median_interval();
    table.row(
        "  95 % interval of the median",
        ends.map(|value| figure(value, "ns")).join(" to "),
    );
    Ok(table)
}

/// Kernel memory for a busy host's nginx.
fn memory() -> Result<Table> {
    let nginx = Nginx::builder()
        .workers(4)
        .main("worker_rlimit_nofile 8192;")
        .connections(4096)
        .start()?;
    let agent = with_agent(&nginx, ALL)?;
    let bytes = agent.sample("nginx_probe_kernel_memory_bytes", &[])?;
    agent.stop()?;
    let mut table = Table::new("overhead: kernel memory, 4 workers × 4,096 connections");
    let mib = bytes.context("no nginx_probe_kernel_memory_bytes")? / 1024.0 / 1024.0;
    table.below("maps and programs", mib, LIMIT_KERNEL_MIB, "MiB");
    Ok(table)
}

/// Longest time for one answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

//! What following every request costs a worker, and what it costs everybody else.

use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;

use super::figures::{Pairs, Table, figure};
use super::load::{Load, system_calls};
use super::programs::{self, Counting};
use super::usage::Usage;

/// Without and with the agent, in turn.
const PAIRS: u32 = 21;
/// Requests of one half of a pair.
const STATIC_REQUESTS: u32 = 20_000;
const PROXIED_REQUESTS: u32 = 6_000;
/// System calls of one half of a pair.
const CALLS: u32 = 1_000_000;

/// Percent more processor time of a worker for a request.
const LIMIT_STATIC: f64 = 3.0;
const LIMIT_PROXIED: f64 = 2.0;
const LIMIT_DEATHS_ALONE: f64 = 0.5;
/// Nanoseconds more for a system call of an unrelated process.
const LIMIT_CALL_NS: f64 = 60.0;
/// Kernel memory for four workers of 4,096 connections, in MiB.
const LIMIT_KERNEL_MIB: f64 = 8.0;

/// The agent's choices that are compared.
const ALL: &[&str] = &[];
const DEATHS_ALONE: &[&str] = &["--follow=none", "--no-logs"];

pub(super) fn measure() -> Result<Vec<Table>> {
    let upstream = Nginx::builder()
        .workers(1)
        .http("access_log off;")
        .location(&format!(
            "location /kb {{ return 200 '{}'; }}",
            "x".repeat(1024)
        ))
        .start()?;
    let nginx = Nginx::builder()
        .workers(1)
        .http("access_log off; keepalive_requests 100000000;")
        .location("location /static/ { root html; }")
        .location(&format!(
            "location /kb {{ proxy_pass http://127.0.0.1:{}; }}",
            upstream.port()
        ))
        .start()?;
    let folder = nginx.folder().join("html/static");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("kb"), "x".repeat(1024))?;

    let mut table = Table::new(format!(
        "overhead: processor time of a worker for a request, {PAIRS} pairs"
    ));
    let worlds = [
        (
            "static 1 KB",
            "/static/kb",
            STATIC_REQUESTS,
            ALL,
            LIMIT_STATIC,
        ),
        ("proxied 1 KB", "/kb", PROXIED_REQUESTS, ALL, LIMIT_PROXIED),
        (
            "static 1 KB, deaths alone",
            "/static/kb",
            STATIC_REQUESTS,
            DEATHS_ALONE,
            LIMIT_DEATHS_ALONE,
        ),
    ];
    for (what, path, requests, options, limit) in worlds {
        eprintln!("{what}, without and with the agent in turn, {PAIRS} pairs …");
        let pairs = requests_in_turn(&nginx, path, requests, options)?;
        table.row(
            format!("{what}, without the agent, median"),
            figure(pairs.without().median(), "µs"),
        );
        spread(&mut table, what, &pairs, limit);
    }
    Ok(vec![table, runs(&nginx)?, calls(&nginx)?, memory()?])
}

fn spread(table: &mut Table, what: &str, pairs: &Pairs, limit: f64) {
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let ratios = pairs.ratios();
    table.below(
        &format!("{what}, more with the agent, median"),
        percent(ratios.median()),
        limit,
        "%",
    );
    let ends = ratios
        .median_interval()
        .map(|ratio| figure(percent(ratio), "%"));
    table.row("  95 % interval of the median", ends.join(" to "));
    table.row(
        "  with - without, median",
        figure(pairs.differences().median() * 1000.0, "ns"),
    );
}

fn requests_in_turn(nginx: &Nginx, path: &str, requests: u32, options: &[&str]) -> Result<Pairs> {
    let worker = worker(nginx)?;
    let mut load = Load::start(nginx.port(), path)?;
    load.run(requests / 4)?;
    let mut one = || -> Result<f64> {
        let before = Usage::of(worker)?.cpu;
        load.run(requests)?;
        let used = Usage::of(worker)?.cpu.saturating_sub(before);
        Ok(used.as_secs_f64() * 1e6 / f64::from(requests))
    };
    in_turn(|| with_agent(nginx, options), &mut one)
}

/// Measures without and with the agent, each first in every other pair.
fn in_turn(
    start: impl Fn() -> Result<Agent>,
    one: &mut impl FnMut() -> Result<f64>,
) -> Result<Pairs> {
    let mut pairs = Pairs::default();
    for number in 0..PAIRS {
        let with = |one: &mut dyn FnMut() -> Result<f64>| -> Result<f64> {
            let agent = start()?;
            let value = one()?;
            agent.stop()?;
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
    Agent::start(arguments)
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
    let pairs = in_turn(|| with_agent(nginx, ALL), &mut one)?;
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

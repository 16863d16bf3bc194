//! What following a busy log costs, and how far behind the agent is.
//!
//! A real agent on a real nginx; the lines are written for it, one `write` each as nginx does, at a
//! pace that no nginx here reaches.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::metrics;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use super::figures::{Sorted, Table, figure};
use super::usage::{Memory, Usage};

/// Lines a second.
const PACE: u64 = 100_000;
const TIME: Duration = Duration::from_secs(10);
/// Lines are written in bursts, as many as are due.
const BURST: Duration = Duration::from_millis(1);
/// Between two looks at what the agent has counted; each costs it the writing of all its metrics.
const LOOK: Duration = Duration::from_millis(250);
/// Of one processor.
const LIMIT_PERCENT: f64 = 15.0;
const LIMIT_MS: f64 = 100.0;

pub(super) fn measure() -> Result<Table> {
    eprintln!("an agent follows {PACE} lines a second for {TIME:?} …");
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let log = nginx.access_log();
    // The first lines make it a log to which much is written.
    write_lines(&log, PACE, Duration::from_secs(1), &AtomicU64::new(0))?;
    let first = PACE;
    until_true("the first lines are counted", DEADLINE, || {
        Ok(counted(&agent)? >= first)
    })?;

    let written = AtomicU64::new(0);
    let ended = AtomicBool::new(false);
    let before = Usage::of(agent.pid())?;
    let begun = Instant::now();
    let (lags, write) = thread::scope(|scope| -> Result<_> {
        let writer = scope.spawn(|| {
            let result = write_lines(&log, PACE, TIME, &written);
            ended.store(true, Ordering::Relaxed);
            result
        });
        let mut lags = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
            // How long ago the first line was written that is not counted: lines come evenly.
            let due = written.load(Ordering::Relaxed);
            let behind = due.saturating_sub(counted(&agent)?.saturating_sub(first));
            lags.push(milliseconds(behind));
        }
        let write = writer.join().ok().context("the writer panicked")??;
        Ok((lags, write))
    })?;
    let took = begun.elapsed();
    let used = Usage::of(agent.pid())?.cpu.saturating_sub(before.cpu);
    let total = first + written.load(Ordering::Relaxed);
    until_true("every line is counted", DEADLINE, || {
        let now = counted(&agent)?;
        ensure!(now <= total, "{now} lines are counted of {total}");
        Ok(now == total)
    })?;
    let memory = Memory::of(agent.pid())?;
    agent.stop()?;

    let percent = used.as_secs_f64() / took.as_secs_f64() * 100.0;
    let lags = Sorted::new(lags);
    let mut table = Table::new("logs: following a log to which 100,000 lines a second are written");
    let lines = total - first;
    table.row("lines, each counted once", lines.to_string());
    table.below(
        "agent's processor time, of one processor",
        percent,
        LIMIT_PERCENT,
        "%",
    );
    table.row("behind, median", figure(lags.median(), "ms"));
    table.below("behind, most", lags.max(), LIMIT_MS, "ms");
    table.row("writer's time for a line", figure(write, "ns"));
    table.row("resident memory", figure(memory.resident, "MiB"));
    Ok(table)
}

/// How long ago the line was written that many lines back.
#[allow(clippy::cast_precision_loss, reason = "line counts are far below 2^52")]
fn milliseconds(lines: u64) -> f64 {
    lines as f64 / PACE as f64 * 1e3
}

fn counted(agent: &Agent) -> Result<u64> {
    let labels = [("log", "access"), ("result", "parsed")];
    let count = metrics::sum(&agent.metrics()?, "nginx_probe_log_lines_total", &labels);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of lines"
    )]
    count.map(|count| count as u64).context("no count of lines")
}

/// Appends lines at a pace; gives what one took on average, in nanoseconds.
#[allow(clippy::cast_precision_loss, reason = "line counts are far below 2^52")]
fn write_lines(log: &Path, pace: u64, time: Duration, written: &AtomicU64) -> Result<f64> {
    let line = format!(
        "192.0.2.7 - - [01/Jan/2026:00:00:00 +0000] \"GET /products/{}/reviews?page=2 HTTP/1.1\" \
         200 5316 \"https://www.example.org/products\" \"Mozilla/5.0 (X11; Linux x86_64)\"\n",
        "x".repeat(40)
    );
    let mut file = OpenOptions::new().append(true).open(log)?;
    let begun = Instant::now();
    let mut busy = Duration::ZERO;
    let mut count = 0;
    let total = pace * time.as_secs();
    while count < total {
        let elapsed = u64::try_from(begun.elapsed().as_micros())?;
        let due = total.min(elapsed * pace / 1_000_000);
        let burst = Instant::now();
        while count < due {
            file.write_all(line.as_bytes())?;
            count += 1;
            written.store(count, Ordering::Relaxed);
        }
        busy += burst.elapsed();
        thread::sleep(BURST);
    }
    Ok(busy.as_nanos() as f64 / count as f64)
}

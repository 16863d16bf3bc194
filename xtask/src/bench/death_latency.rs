//! From the death of a worker to its record on the agent's standard output.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::{self, Answer};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::records::{about, is};
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

use super::figures::{Sorted, Table, figure};

const CRASHES: u32 = 200;
/// For 99 of 100 crashes, in milliseconds.
const LIMIT_MS: f64 = 50.0;
/// How far the kernel's clock and the wall clock may be apart: the agent reads one after the other.
const TOLERANCE: Duration = Duration::from_millis(1);

/// One crash as its client saw it.
struct Crash {
    sent: SystemTime,
    broken: SystemTime,
}

/// A worker's death as the agent recorded it.
struct Death {
    time: SystemTime,
    /// The moment its line was read from the pipe.
    read: SystemTime,
}

pub(super) fn measure() -> Result<Vec<Table>> {
    eprintln!("crashing {CRASHES} workers …");
    // One worker: it has to be replaced before anything is answered, so that no two crashes
    // overlap and nginx sets the pace.
    let nginx = Nginx::builder().workers(1).start()?;
    let agent = Agent::watch(&nginx)?;
    let began = SystemTime::now();
    let mut crashes = Vec::new();
    for _ in 0..CRASHES {
        crashes.push(crash(&nginx)?);
    }
    let took = SystemTime::now().duration_since(began)?;
    // Records that stay away are counted below.
    let _ = agent.wait_until("every death", DEADLINE, |records| {
        let count = records.iter().filter(|r| is_death(r, &nginx)).count();
        (count >= crashes.len()).then_some(())
    });
    let deaths = deaths(&agent, &nginx)?;
    agent.stop()?;

    let latencies = Sorted::new(deaths.iter().map(|d| milliseconds(d.time, d.read)));
    let astray = crashes.iter().filter(|crash| !is_honest(crash, &deaths));
    let mut table =
        Table::new("death-latency: from a worker's death (SIGSEGV) to its record being read");
    table.row(
        "crashes a second",
        figure(f64::from(CRASHES) / took.as_secs_f64(), ""),
    );
    table.equal("records of crashes", u32::try_from(deaths.len())?, CRASHES);
    table.row("median", figure(latencies.median(), "ms"));
    table.row("p90", figure(latencies.percentile(90), "ms"));
    table.below("p99", latencies.percentile(99), LIMIT_MS, "ms");
    table.row("max", figure(latencies.max(), "ms"));
    table.equal(
        "crashes without one record whose time is between request and broken connection",
        u32::try_from(astray.count())?,
        0,
    );
    Ok(vec![table])
}

fn crash(nginx: &Nginx) -> Result<Crash> {
    until_true("an answer of the next worker", DEADLINE, || {
        Ok(http::get(nginx.port(), "/") == Answer::Status(200))
    })?;
    let sent = SystemTime::now();
    let answer = nginx.cause(Fault::Segv);
    let broken = SystemTime::now();
    ensure!(
        matches!(answer, Answer::Broken(_)),
        "the crashing request was answered: {answer:?}"
    );
    Ok(Crash { sent, broken })
}

fn is_death(record: &Value, nginx: &Nginx) -> bool {
    is(record, "worker_exit") && record["reason"] == "crash" && about(record, nginx)
}

fn deaths(agent: &Agent, nginx: &Nginx) -> Result<Vec<Death>> {
    let received = agent.received();
    let deaths = received
        .iter()
        .filter(|(_, record)| is_death(record, nginx));
    deaths
        .map(|(read, record)| {
            let time = record["time"].as_str().context("a record without a time")?;
            let time = humantime::parse_rfc3339(time).with_context(|| time.to_owned())?;
            Ok(Death { time, read: *read })
        })
        .collect()
}

/// Exactly one death is dated between the crash's request and its end.
fn is_honest(crash: &Crash, deaths: &[Death]) -> bool {
    let end = crash.broken + TOLERANCE;
    let inside = |death: &&Death| crash.sent <= death.time && death.time <= end;
    deaths.iter().filter(inside).count() == 1
}

/// From `start` to `end`; below zero when the clocks say that it ended first.
fn milliseconds(start: SystemTime, end: SystemTime) -> f64 {
    let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    match since_epoch(end).checked_sub(since_epoch(start)) {
        Some(duration) => duration.as_secs_f64() * 1e3,
        None => -milliseconds(end, start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(ms)
    }

    #[test]
    fn a_time_before_the_request_or_after_the_end_is_not_honest() {
        let crash = Crash {
            sent: at(100),
            broken: at(110),
        };
        let honest = |times: &[u64]| {
            let deaths: Vec<_> = times
                .iter()
                .map(|&ms| Death {
                    time: at(ms),
                    read: at(200),
                })
                .collect();
            is_honest(&crash, &deaths)
        };
        assert!(honest(&[50, 100, 112]));
        assert!(honest(&[111]));
        assert!(!honest(&[99, 112]));
        assert!(!honest(&[105, 106]));
        assert!(!honest(&[]));
    }

    #[test]
    fn a_latency_may_be_negative() {
        assert!((milliseconds(at(10), at(12)) - 2.0).abs() < 1e-6);
        assert!((milliseconds(at(12), at(10)) + 2.0).abs() < 1e-6);
    }
}

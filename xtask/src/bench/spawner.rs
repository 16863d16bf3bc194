//! Short-lived processes that have nothing to do with nginx, at a steady rate.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

const PROGRAM: &str = "/bin/true";

/// What a run of processes came to.
#[derive(Debug)]
pub(super) struct Spawned {
    /// Started and ended; fewer than asked for when the host is busy.
    pub(super) count: u32,
    /// From the first start to the end of the last one's turn.
    pub(super) elapsed: Duration,
    /// Processor time of the processes, and of ours for starting and reaping them: a fork's
    /// tracepoints run in the parent.
    pub(super) cpu: Duration,
}

impl Spawned {
    /// Processes a second.
    pub(super) fn rate(&self) -> f64 {
        f64::from(self.count) / self.elapsed.as_secs_f64()
    }

    /// Microseconds of processor time a process.
    pub(super) fn cpu_us_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / f64::from(self.count)
    }
}

/// Starts `rate` processes a second, one after the other, for `time`.
///
/// No other child of ours may end meanwhile: its processor time would count.
pub(super) fn spawn(rate: u32, time: Duration) -> Result<Spawned> {
    let before = cpu()?;
    let began = Instant::now();
    let mut count = 0;
    loop {
        let due = began + Duration::from_secs(1) * count / rate;
        if due.duration_since(began) >= time || began.elapsed() >= time {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = Command::new(PROGRAM)
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("starting {PROGRAM}"))?;
        ensure!(status.success(), "{PROGRAM} ended with {status}");
        count += 1;
    }
    // To the end of the last one's turn, or the rate would be too high by one process.
    thread::sleep((began + time).saturating_duration_since(Instant::now()));
    Ok(Spawned {
        count,
        elapsed: began.elapsed(),
        cpu: cpu()?.saturating_sub(before),
    })
}

/// Processor time of this thread and of all children that ended.
fn cpu() -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for who in [UsageWho::RUSAGE_THREAD, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who).context("getrusage")?;
        for time in [usage.user_time(), usage.system_time()] {
            sum += Duration::from_secs(u64::try_from(time.tv_sec())?)
                + Duration::from_micros(u64::try_from(time.tv_usec())?);
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_rate_and_its_end() -> Result<()> {
        let spawned = spawn(50, Duration::from_millis(400))?;
        assert!((1..=20).contains(&spawned.count), "{spawned:?}");
        assert!(spawned.rate() <= 50.0, "{spawned:?}");
        assert!(spawned.cpu_us_each() > 10.0, "{spawned:?}");
        Ok(())
    }
}

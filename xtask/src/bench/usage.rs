//! What a process has used so far, and how much memory it holds.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::ClockId;
use nix::unistd::Pid;
use procfs::process::Process;

/// What a process has used since it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Processor time of all its threads, to the nanosecond.
    pub(super) cpu: Duration,
    /// Times that a thread of it went to sleep by itself, and so was woken: its voluntary context
    /// switches. Those of threads that have ended are not in it.
    pub(super) sleeps: u64,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid)?;
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))
            .with_context(|| format!("the processor time of {pid}"))?;
        let mut sleeps = 0;
        for task in Process::new(pid)?.tasks()? {
            let switches = task?.status()?.voluntary_ctxt_switches;
            sleeps += switches.context("no voluntary_ctxt_switches in /proc")?;
        }
        let cpu = Duration::from(clock.now().context("reading a processor time")?);
        Ok(Self { cpu, sleeps })
    }
}

/// The physical memory of a process, in MiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Resident now (`VmRSS`).
    pub(super) resident: f64,
    /// Of it, what is in no file: heap and stacks (`RssAnon`).
    pub(super) anonymous: f64,
    /// The most that ever was (`VmHWM`).
    pub(super) peak: f64,
}

impl Memory {
    pub(super) fn of(pid: u32) -> Result<Self> {
        let status = Process::new(i32::try_from(pid)?)?.status()?;
        let mib = |kib: Option<u64>| -> Result<f64> {
            let kib = kib.with_context(|| format!("/proc/{pid}/status has no memory"))?;
            Ok(f64::from(u32::try_from(kib)?) / 1024.0)
        };
        Ok(Self {
            resident: mib(status.vmrss)?,
            anonymous: mib(status.rssanon)?,
            peak: mib(status.vmhwm)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn our_own_work_shows() -> Result<()> {
        let pid = std::process::id();
        let before = Usage::of(pid)?;
        let end = Instant::now() + Duration::from_secs(20);
        while Usage::of(pid)?.cpu < before.cpu + Duration::from_millis(5) {
            assert!(Instant::now() < end, "20 s of work came to less than 5 ms");
        }
        let memory = Memory::of(pid)?;
        assert!(memory.resident > 0.1 && memory.peak >= memory.resident);
        Ok(())
    }
}

//! Processes as `/proc` shows them, and signals to them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use procfs::process::{Process, all_processes};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::wait::until_true;

/// One process, as it was when looked at.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Process id in our own pid namespace.
    pub pid: u32,
    /// The parent's process id.
    pub parent: u32,
    /// Process group.
    pub group: u32,
    /// Start, in clock ticks since boot.
    pub started: u64,
    /// Its command line, arguments joined by spaces; nginx writes its role there.
    pub title: String,
}

/// Every process that is neither gone nor a zombie and passes `wanted`.
#[must_use]
pub fn find(wanted: impl Fn(&Seen) -> bool) -> Vec<Seen> {
    let Ok(all) = all_processes() else {
        return Vec::new();
    };
    all.flatten()
        .filter_map(|process| look(&process))
        .filter(wanted)
        .collect()
}

/// The live children of `parent`.
#[must_use]
pub fn children(parent: u32) -> Vec<Seen> {
    find(|seen| seen.parent == parent)
}

/// The process with this id, unless it is gone or a zombie.
#[must_use]
pub fn get(pid: u32) -> Option<Seen> {
    look(&Process::new(i32::try_from(pid).ok()?).ok()?)
}

/// Sends `signal` to `pid`; a process that has gone meanwhile is no error.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let target = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("not a process id")?;
    match kill_process(target, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("sending {signal:?} to {pid}")),
    }
}

/// Whether a signal that was sent to the process `pid` has not been taken yet.
pub fn is_pending(pid: u32, signal: Signal) -> Result<bool> {
    let pending = Process::new(i32::try_from(pid)?)?.status()?.shdpnd;
    Ok(pending >> (signal.as_raw() - 1) & 1 == 1)
}

/// Waits until `pid` is gone (or a zombie that its parent has not yet reaped).
pub fn wait_gone(pid: u32, limit: Duration) -> Result<()> {
    until_true(&format!("the end of process {pid}"), limit, || {
        Ok(get(pid).is_none())
    })
}

/// Fails with one clear line unless we may load eBPF programs and make control groups.
pub fn require_root() -> Result<()> {
    anyhow::ensure!(
        rustix::process::geteuid().is_root(),
        "this test loads eBPF programs and limits memory: run it as root"
    );
    Ok(())
}

fn look(process: &Process) -> Option<Seen> {
    let stat = process.stat().ok()?;
    if matches!(stat.state, 'Z' | 'X') {
        return None;
    }
    Some(Seen {
        pid: u32::try_from(stat.pid).ok()?,
        parent: u32::try_from(stat.ppid).ok()?,
        group: u32::try_from(stat.pgrp).ok()?,
        started: stat.starttime,
        title: process.cmdline().ok()?.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::wait::DEADLINE;

    #[test]
    fn a_child_is_found_and_a_killed_one_is_gone() -> Result<()> {
        let mut child = Command::new("sleep").arg("60").spawn()?;
        until_true("the child's own title", DEADLINE, || {
            let mine = children(std::process::id());
            Ok(mine
                .iter()
                .any(|seen| seen.pid == child.id() && seen.title == "sleep 60"))
        })?;
        signal(child.id(), Signal::KILL)?;
        wait_gone(child.id(), DEADLINE)?;
        child.wait()?;
        signal(child.id(), Signal::KILL)
    }
}

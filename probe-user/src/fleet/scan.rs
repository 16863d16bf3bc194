//! Finds the nginx processes that were there before the agent.

use std::{collections::BTreeMap, io};

use super::{
    Fleet, Track,
    process::{Child, Kind, Process},
};
use crate::{clock::boot_ns_now, config, proc::Status};

/// `/proc/PID/stat` has zero or one in place of an address that we may not see.
const HIDDEN: u64 = 1;
/// Times that `/proc` is read; each but the last found something new.
const MAX_PASSES: usize = 8;
/// Forks of forks that may all be new at once; a longer line is taken up in pieces.
const MAX_LINE: usize = 64;

impl<T: Track> Fleet<T> {
    /// Finds masters and their children in `/proc`. The probes are attached before this is called:
    /// each process is tracked first and read then, so that its end is seen either in the kernel's
    /// records or here. Every process is read once, however they descend from each other.
    ///
    /// A master may fork after the folder was read and before it is tracked, so `/proc` is read again
    /// until nothing new is found; what is forked after that has a record.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn scan(&mut self) -> io::Result<()> {
        for _ in 0..MAX_PASSES {
            if !self.scan_once()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads `/proc` once; whether anything new was followed.
    fn scan_once(&mut self) -> io::Result<bool> {
        let mut followed = false;
        let mut new = BTreeMap::new();
        for pid in self.proc.pids()? {
            let watched = |status: &Status| self.names.contains(&status.comm);
            if !self.processes.contains_key(&pid)
                && self.proc.status(pid).as_ref().is_some_and(watched)
            {
                let known_ns = boot_ns_now();
                self.kernel.track(pid);
                match self.proc.status(pid).filter(|status| !status.dead) {
                    Some(status) => drop(new.insert(pid, (status, known_ns))),
                    None => self.kernel.untrack(pid),
                }
            }
        }
        // What a process is depends on what its parent is, so parents come first.
        while let Some((first, _)) = new.first_key_value() {
            let mut line = vec![*first];
            while let Some((status, _)) = line.last().and_then(|pid| new.get(pid))
                && new.contains_key(&status.parent)
                && !line.contains(&status.parent)
                && line.len() < MAX_LINE
            {
                line.push(status.parent);
            }
            for pid in line.into_iter().rev() {
                if let Some((status, known_ns)) = new.remove(&pid) {
                    self.found(pid, &status, known_ns);
                    followed |= self.processes.contains_key(&pid);
                }
            }
        }
        Ok(followed)
    }

    /// Takes up masters that were asked for by name and are not followed: their pid file may have
    /// been written, or put back, after they were looked at.
    pub fn find_selected(&mut self) {
        for pid in self.selection.pids().collect::<Vec<_>>() {
            let watched = |status: &Status| self.names.contains(&status.comm);
            if !self.processes.contains_key(&pid)
                && self.proc.status(pid).as_ref().is_some_and(watched)
                && let Err(error) = self.scan()
            {
                log::warn!("cannot read /proc: {error}");
            }
        }
    }

    /// A process with a watched name that no record told of.
    pub(super) fn found(&mut self, pid: u32, status: &Status, known_ns: u64) {
        if self.processes.contains_key(&pid) {
            return;
        }
        let parent = self.proc.status(status.parent);
        let mut process = Process::new(status.parent, status.started_ns, Kind::Candidate);
        process.known_ns = known_ns;
        // A fork that ran no other program since shares its parent's stack address.
        process.executed = parent.as_ref().is_none_or(|parent| {
            let known = parent.stack_start > HIDDEN && status.stack_start > HIDDEN;
            known && parent.stack_start != status.stack_start
        });
        let title = self.proc.title(pid).unwrap_or_default();
        let role = config::Role::of_title(&title);
        let master = self
            .masters
            .get(&status.parent)
            .filter(|_| !process.executed);
        if let Some(master) = master {
            let draining = role == Some(config::Role::DrainingWorker);
            let generation = master.generation.saturating_sub(u32::from(draining));
            let child = Child::new(master.instance.clone(), generation);
            process.kind = Kind::Child(Child { draining, ..child });
        } else if role.is_some_and(|role| role != config::Role::Master) {
            // A worker of a master that is not followed, or whose master is gone.
            self.kernel.untrack(pid);
            if parent.is_none_or(|parent| !self.names.contains(&parent.comm)) {
                self.strays.add(pid, status.started_ns);
            }
            return;
        }
        self.processes.insert(pid, process);
        self.weigh(pid, status.parent);
        self.look_at(pid);
    }
}

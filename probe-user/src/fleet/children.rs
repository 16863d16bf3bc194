//! The children of masters where no record tells of them, as `/proc` shows them.
//!
//! nginx replaces a worker that ended, and lets old workers live beside the new ones for 100 ms
//! when it reloads (`ngx_master_process_cycle`). So a worker that is there though none is missing
//! proves a reload. One that may stand for another that has gone proves nothing: then the
//! configuration is read again when every worker is new, and nothing is said. Why a worker ended
//! cannot be seen here, nor a reload that was refused.

use std::io;

use super::{
    Fleet, Track,
    master::Master,
    process::{Child, Process},
};
use crate::{clock::boot_ns_now, facts::Role, proc::Status};

/// Between two lists of a master's children: half of what old and new workers have together.
pub(super) const LIST_NS: u64 = 50_000_000;

impl<T: Track> Fleet<T> {
    /// Reads all of `/proc` again: masters that came, children that a list left out, titles, and
    /// what is gone. For an agent to which no record tells of it, about once a second.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn look_again(&mut self) -> io::Result<()> {
        self.scan()?;
        for master in self.master_pids() {
            self.drop_gone(master);
            for pid in self.children_of(master) {
                self.look_at(pid);
            }
            if self.all_are_new(master) {
                self.read_again(master);
            }
        }
        self.reconcile();
        Ok(())
    }

    /// Takes up what each master has forked, and lets go of what ended.
    pub(super) fn list_children(&mut self, now_ns: u64) {
        for master in self.master_pids() {
            // Looked at first, so that what a waiting master has forked is in the list.
            let waits = self.proc.awaits_signal(master);
            if let Some(mut listed) = self.proc.children(master) {
                listed.sort_unstable();
                let known = self.children_of(master);
                if known.iter().any(|pid| listed.binary_search(pid).is_err()) {
                    self.drop_gone(master);
                }
                self.let_go_of_binaries(master);
                for pid in listed {
                    self.take_up(pid, master, now_ns);
                }
            }
            self.look_at_old(master);
            if let Some(master) = self.masters.get_mut(&master) {
                master.looked_at(waits, now_ns);
            }
        }
    }

    /// A child that is seen for the first time: whether it was forked though nobody had gone.
    pub(super) fn weigh(&mut self, pid: u32, master: u32) {
        if self.kernel.tells() || !self.masters.get(&master).is_some_and(|it| it.settled) {
            return;
        }
        // Looked at after the child was, so whoever lives has not been replaced by it.
        self.drop_gone(master);
        let replacements = self.children_of(master).into_iter().filter(|other| {
            let child = self.processes.get(other).and_then(Process::child);
            *other != pid && child.is_some_and(|child| !child.announced && !child.since_hup)
        });
        let replacements = replacements.count();
        let owed = self.masters.get(&master).map_or(0, Master::owed);
        if let Some(child) = self.processes.get_mut(&pid).and_then(Process::child_mut) {
            child.since_hup = replacements >= owed && !child.draining;
        }
    }

    fn master_pids(&self) -> Vec<u32> {
        let mut pids: Vec<_> = self.masters.keys().copied().collect();
        pids.sort_unstable();
        pids
    }

    fn take_up(&mut self, pid: u32, master: u32, now_ns: u64) {
        if self.processes.contains_key(&pid) {
            return;
        }
        let ours = |status: &Status| {
            !status.dead && status.parent == master && self.names.contains(&status.comm)
        };
        if let Some(status) = self.proc.status(pid).filter(ours) {
            self.kernel.track(pid);
            self.found(pid, &status, now_ns);
        }
    }

    /// Drops a master's children that ended, and remembers those that it will replace.
    fn drop_gone(&mut self, master: u32) {
        for pid in self.children_of(master) {
            let is_gone = |process: &Process| !self.is_same(pid, process);
            if !self.processes.get(&pid).is_some_and(is_gone) {
                continue;
            }
            self.kernel.untrack(pid);
            let process = self.processes.remove(&pid);
            let child = process.as_ref().and_then(Process::child);
            if let Some(master) = self.masters.get_mut(&master)
                && child.is_some_and(|child| is_replaced(child, master.generation))
            {
                master.owe_replacement(boot_ns_now());
            }
        }
    }

    /// A child that has not said what it is may run a new binary by now: then it is taken up anew.
    fn let_go_of_binaries(&mut self, master: u32) {
        let unsaid = |pid: &u32| {
            let child = self.processes.get(pid).and_then(Process::child);
            child.is_some_and(|child| !child.announced)
        };
        let stack = |pid| self.proc.status(pid).map(|status| status.stack_start);
        let binaries = self.children_of(master).into_iter().filter(unsaid);
        let binaries: Vec<_> = binaries
            .filter(|pid| stack(*pid).is_some_and(|own| Some(own) != stack(master)))
            .collect();
        for pid in binaries {
            self.processes.remove(&pid);
        }
    }

    /// The workers of the last configuration say when they begin to drain.
    fn look_at_old(&mut self, master: u32) {
        let Some(generation) = self.masters.get(&master).map(|it| it.generation) else {
            return;
        };
        for pid in self.children_of(master) {
            let child = self.processes.get(&pid).and_then(Process::child);
            if child.is_some_and(|child| !child.draining && child.generation < generation) {
                self.look_at(pid);
            }
        }
    }

    /// Whether each worker that serves was started after the configuration was read.
    fn all_are_new(&self, master: u32) -> bool {
        let Some(read_ns) = self.masters.get(&master).map(|it| it.read_ns) else {
            return false;
        };
        let mut starts = self.processes.values().filter_map(|process| {
            let child = process.child()?;
            let serves = child.role == Role::Worker && !child.draining;
            (serves && process.parent == master).then_some(process.started_ns)
        });
        let mut some = false;
        let all = starts.all(|started_ns| {
            some = true;
            started_ns > read_ns
        });
        some && all
    }
}

/// Whether nginx starts another in the place of this one. It may tell a worker to end without that;
/// where this cannot be seen, a replacement is expected rather than a reload claimed.
fn is_replaced(child: &Child, generation: u32) -> bool {
    child.announced && child.role != Role::CacheLoader && child.generation == generation
}

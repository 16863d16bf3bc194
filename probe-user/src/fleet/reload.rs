//! What came of a SIGHUP.
//!
//! A worker, or a cache process, that was forked after it and does not replace a dead one proves
//! that the new configuration was taken. A fork alone proves nothing: a configuration may run a
//! command while it is read, and be refused after all. A master that took its SIGHUP, waits for the
//! next signal, and has no such child has refused it.

use super::{
    Fleet, Track,
    process::{Child, Process},
};
use crate::{
    clock::boot_ns_now,
    facts::{Event, Instance, Reload, ReloadResult},
};

/// Between two looks at a master that was told to reload.
const LOOK_NS: u64 = 50_000_000;
/// A master that tells nothing for so long (we may not look at it) is not looked at any more.
const GIVE_UP_NS: u64 = 60_000_000_000;

impl<T: Track> Fleet<T> {
    /// A child of a master is certain to be one that serves: if it was forked after a SIGHUP, the
    /// reload went well. Where no record tells of a SIGHUP, one that replaces nobody proves it.
    pub(super) fn confirm_reload(&mut self, pid: u32) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let (parent, forked_ns) = (process.parent, process.started_ns);
        let Some(child) = process.child_mut() else {
            return;
        };
        if child.announced || child.draining {
            return; // found, not forked before our eyes
        }
        let since_hup = std::mem::take(&mut child.since_hup);
        let tells = self.kernel.tells();
        let Some(master) = self.masters.get_mut(&parent) else {
            return;
        };
        let proves = if tells {
            !master.replaces(forked_ns) && since_hup && master.reload.take().is_some()
        } else {
            if since_hup {
                master.is_reloading();
            } else if master.settled {
                master.replaced_one();
            }
            since_hup
        };
        if !proves {
            return;
        }
        master.generation += 1;
        let (instance, generation) = (master.instance.clone(), master.generation);
        if let Some(child) = self.processes.get_mut(&pid).and_then(Process::child_mut) {
            child.generation = generation;
        }
        self.drain_before(parent, pid, generation);
        self.read_again(parent);
        let reload = Reload {
            result: ReloadResult::Ok,
            generation,
            detail: None,
        };
        self.fact(forked_ns, &instance, Event::Reload(reload));
    }

    /// The workers of the last configuration will end; those forked with `first` are of the new one.
    /// Where no record tells of forks, those are the ones that were seen first with it, and the
    /// others say by themselves when they begin to end.
    fn drain_before(&mut self, master: u32, first: u32, generation: u32) {
        let tells = self.kernel.tells();
        let first_ns = self.processes.get(&first).map_or(0, |it| it.known_ns);
        for pid in self.children_of(master) {
            let Some(process) = self.processes.get_mut(&pid) else {
                continue;
            };
            let with_first = pid == first || !tells && process.known_ns >= first_ns;
            let Some(child) = process.child_mut() else {
                continue;
            };
            if std::mem::take(&mut child.since_hup) || with_first {
                child.generation = generation;
            } else if tells {
                child.drain(boot_ns_now());
            }
        }
    }

    /// The workers that a master has now will end once their connections have.
    pub(super) fn drain(&mut self, master: u32) {
        for pid in self.children_of(master) {
            if let Some(child) = self.processes.get_mut(&pid).and_then(Process::child_mut) {
                child.drain(boot_ns_now());
            }
        }
    }

    /// Looks at the masters that were told to reload. Waiting is looked at twice, so that a fork
    /// whose record was still in the ring buffer is not overlooked.
    pub(super) fn settle_reloads(&mut self, now_ns: u64) {
        let mut failed: Vec<(Instance, u32)> = Vec::new();
        let undecided: Vec<u32> = self
            .processes
            .values()
            .filter(|process| process.child().is_some_and(Child::is_undecided))
            .map(|process| process.parent)
            .collect();
        for master in self.masters.values_mut() {
            let Some(reload) = &mut master.reload else {
                continue;
            };
            if reload.look_ns > now_ns {
                continue;
            }
            reload.look_ns = now_ns.saturating_add(LOOK_NS);
            let taken = self.proc.hup_pending(master.pid) == Some(false);
            let waits = taken
                && self.proc.awaits_signal(master.pid) == Some(true)
                && !undecided.contains(&master.pid);
            if waits && reload.seen_waiting {
                master.reload = None;
                failed.push((master.instance.clone(), master.generation));
            } else if now_ns.saturating_sub(reload.sent_ns) > GIVE_UP_NS && !taken {
                master.reload = None;
            } else {
                reload.seen_waiting = waits;
            }
        }
        for (instance, generation) in failed {
            let reload = Reload {
                result: ReloadResult::Failed,
                generation,
                detail: None,
            };
            self.fact(now_ns, &instance, Event::Reload(reload));
        }
    }
}

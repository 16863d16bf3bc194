//! Forks, new programs, and what each process turns out to be.

use super::{
    Fleet, Track,
    process::{Child, Kind, Look, Process},
};
use crate::{
    clock::boot_ns_now,
    config,
    facts::{Event, Instance, Role, WorkerStart},
};

impl<T: Track> Fleet<T> {
    pub(super) fn forked(&mut self, pid: u32, parent: u32, time_ns: u64) {
        if self.is_older(pid, time_ns) {
            return;
        }
        if let Some(master) = self.masters.get(&parent) {
            let mut child = Child::new(master.instance.clone(), master.generation);
            child.since_hup = master.reload.is_some_and(|reload| time_ns > reload.sent_ns);
            child.may_be_binary = master.may_upgrade(time_ns);
            self.processes
                .insert(pid, Process::new(parent, time_ns, Kind::Child(child)));
            self.look_at(pid);
            return;
        }
        match self.processes.get_mut(&parent) {
            Some(Process {
                kind: Kind::Candidate,
                look,
                attempt,
                ..
            }) => {
                // A master starts its workers right after it has set its title.
                *look = Some(Look::soon());
                let mut child = Process::new(parent, time_ns, Kind::Candidate);
                child.attempt.clone_from(attempt);
                self.processes.insert(pid, child);
                self.look_at(parent);
                self.look_at(pid);
            }
            // What a worker starts is no worker, and what an unknown process starts is not ours.
            _ => self.kernel.untrack(pid),
        }
    }

    /// Whether a record tells of a time before the process was found in `/proc`: what it tells was
    /// seen there already.
    fn is_older(&self, pid: u32, time_ns: u64) -> bool {
        self.processes
            .get(&pid)
            .is_some_and(|process| time_ns <= process.known_ns)
    }

    pub(super) fn executed(&mut self, pid: u32, watched: bool, time_ns: u64) {
        if self.is_older(pid, time_ns) {
            return;
        }
        if self.masters.remove(&pid).is_some() {
            self.version += 1; // whatever it runs now has to say so
        }
        if !watched {
            self.processes.remove(&pid);
            return;
        }
        let attempt = self.attempt_of(pid, time_ns);
        let started_ns = self
            .proc
            .status(pid)
            .map_or(time_ns, |status| status.started_ns);
        let process = self
            .processes
            .entry(pid)
            .or_insert_with(|| Process::new(0, started_ns, Kind::Candidate));
        process.executed = true;
        process.attempt = attempt;
        process.kind = Kind::Candidate;
        process.look = Some(Look::soon());
        if let Some(master) = self.masters.get_mut(&process.parent) {
            master.upgraded();
        }
    }

    /// Looks at a process's title, once; it may tell nothing yet.
    pub(super) fn look_at(&mut self, pid: u32) {
        let title = self.proc.title(pid).unwrap_or_default();
        let role = config::Role::of_title(&title);
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let (parent, executed) = (process.parent, process.executed);
        process.was_master |= role == Some(config::Role::Master);
        match process.kind {
            // A fork shows its parent's title until it sets its own.
            Kind::Candidate
                if role == Some(config::Role::Master)
                    && (executed || !self.masters.contains_key(&parent)) =>
            {
                self.promote(pid);
            }
            Kind::Candidate if role.is_none() => self.look_at_single(pid),
            Kind::Child(_) => match role {
                None | Some(config::Role::Master) => {}
                Some(config::Role::Worker) => self.announce(pid, Role::Worker, false),
                Some(config::Role::DrainingWorker) => self.announce(pid, Role::Worker, true),
                Some(config::Role::CacheManager) => self.announce(pid, Role::CacheManager, false),
                Some(config::Role::CacheLoader) => self.announce(pid, Role::CacheLoader, false),
            },
            _ => {}
        }
    }

    /// A child has said what it is.
    fn announce(&mut self, pid: u32, role: Role, draining: bool) {
        if !self.report_start(pid, role, draining) {
            return;
        }
        if role == Role::Worker {
            self.kernel.follow(pid);
        } else {
            self.kernel.take(pid);
        }
    }

    /// Reports a child's start; `false` when it was reported before.
    pub(super) fn report_start(&mut self, pid: u32, role: Role, draining: bool) -> bool {
        self.confirm_reload(pid);
        let Some(process) = self.processes.get_mut(&pid) else {
            return false;
        };
        process.look = None;
        let started_ns = process.started_ns;
        let Some(child) = process.child_mut() else {
            return false;
        };
        child.role = role;
        child.draining |= draining;
        if std::mem::replace(&mut child.announced, true) {
            return false;
        }
        let (instance, generation) = (child.instance.clone(), child.generation);
        let start = WorkerStart {
            pid,
            role,
            generation,
        };
        self.fact(started_ns, &instance, Event::WorkerStart(start));
        true
    }

    /// What a new master forked before it was known for one are its children.
    pub(super) fn adopt(&mut self, master: u32, instance: &Instance, generation: u32) {
        let mut pids: Vec<_> = self
            .processes
            .iter()
            .filter(|(_, process)| {
                process.parent == master
                    && !process.executed
                    && matches!(process.kind, Kind::Candidate)
            })
            .map(|(pid, _)| *pid)
            .collect();
        pids.sort_unstable();
        for pid in pids {
            if let Some(process) = self.processes.get_mut(&pid) {
                process.kind = Kind::Child(Child::new(instance.clone(), generation));
                process.look = Some(Look::soon());
            }
            self.look_at(pid);
        }
    }

    /// Stops following a process and what it forked.
    pub(super) fn forget(&mut self, pid: u32) {
        self.kernel.untrack(pid);
        self.processes.remove(&pid);
        let children: Vec<_> = self
            .processes
            .iter()
            .filter(|(_, process)| process.parent == pid)
            .map(|(pid, _)| *pid)
            .collect();
        for child in children {
            self.kernel.untrack(child);
            self.processes.remove(&child);
        }
    }

    /// Whether a process is so young that what belongs to it may still be on its way.
    pub(super) fn is_young(&self, pid: u32, limit_ns: u64) -> bool {
        self.processes
            .get(&pid)
            .is_some_and(|process| boot_ns_now().saturating_sub(process.started_ns) < limit_ns)
    }
}

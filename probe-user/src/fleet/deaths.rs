//! Signals, crashes and ends.

use nginx_probe_ebpf::record;

use super::{
    Fleet, Track,
    process::{Child, Kind, Process},
};
use crate::{
    clock::boot_ns_now,
    crash::{Mappings, Registers, told},
    facts::{Event, Instance, MasterExit, Memory, Reason, Role, Sender, WorkerExit, detail},
    lifecycle::{self, Status},
    requests::{Lost, LostRequest},
    signals::{self, Sent},
};

/// Masters whose whole pid namespace ended with them, of which children may still be to end.
const MAX_FALLEN: usize = 64;

impl<T: Track> Fleet<T> {
    pub(super) fn signalled(&mut self, pid: u32, record: &record::Signal, time_ns: u64) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let sent = Sent::from(record);
        process.sent(sent.clone());
        if let Kind::Child(child) = &mut process.kind
            && record.signal == signals::QUIT
        {
            child.drain(time_ns);
        }
        let Some(master) = self.masters.get_mut(&pid) else {
            return;
        };
        match record.signal {
            signals::HUP => master.told_to_reload(time_ns),
            signals::USR2 => master.told_to_upgrade(time_ns),
            signals::WINCH => self.drain(pid),
            signals::QUIT | signals::TERM | signals::INT => {
                self.told_to_end(pid, sent, time_ns);
                self.drain(pid);
            }
            _ => {}
        }
    }

    pub(super) fn crashed(&mut self, pid: u32, record: &record::CrashView<'_>) {
        let Some(process) = self.processes.get(&pid) else {
            return;
        };
        // While it dumps core, the process still has its mappings; else those of its master are
        // the same, since it was forked from it.
        let own = Mappings::read(self.proc.root(), pid)
            .ok()
            .filter(|own| !own.is_empty());
        let masters = self
            .masters
            .get(&process.parent)
            .and_then(|master| master.mappings.as_ref());
        let Some(mappings) = own.as_ref().or(masters) else {
            return;
        };
        let registers = Registers {
            ip: record.ip,
            sp: record.sp,
            fp: record.fp,
            lr: record.lr,
        };
        let holders = [process.parent, pid];
        let frames = self.symbolizer.resolve(
            mappings,
            self.proc.root(),
            &holders,
            registers,
            record.stack,
        );
        if let Some(process) = self.processes.get_mut(&pid) {
            process.crash = Some(told(record, frames));
        }
    }

    pub(super) fn ended(&mut self, pid: u32, status: u32, time_ns: u64) {
        let status = Status::from(status);
        let Some(process) = self.processes.get(&pid) else {
            return;
        };
        let unsaid = process.child().filter(|child| !child.announced);
        let (unsaid, may_be_binary) = (
            unsaid.is_some(),
            unsaid.is_some_and(|child| child.may_be_binary),
        );
        if may_be_binary && status.signal == 0 {
            self.upgrade_failed(pid, status);
            return;
        }
        let lost = self.lost(pid, time_ns);
        if unsaid {
            // It died before it could say what it is; only workers take connections.
            let served = lost.as_ref().is_some_and(|lost| lost.connections > 0);
            let role = if served { Role::Worker } else { Role::Unknown };
            self.report_start(pid, role, false);
        }
        let Some(process) = self.processes.remove(&pid) else {
            return;
        };
        match &process.kind {
            Kind::Candidate if self.masters.contains_key(&process.parent) => {
                self.processes.insert(pid, process);
                self.upgrade_failed(pid, status);
            }
            Kind::Candidate => self.attempt_ended(pid, &process, status, time_ns),
            Kind::Master(instance) => self.master_ended(pid, &process, instance, status, time_ns),
            Kind::Child(child) => {
                let cut = self.cut_by_timeout(&process, child, time_ns);
                let lost = lost.map(|lost| lost.with(cut.clone()));
                self.child_ended(
                    pid,
                    &process,
                    child,
                    status,
                    (time_ns, lost, !cut.is_empty()),
                );
            }
        }
    }

    /// The requests that a worker cut off because it had drained for too long.
    fn cut_by_timeout(&self, process: &Process, child: &Child, time_ns: u64) -> Vec<LostRequest> {
        let master = self.masters.get(&process.parent);
        let config = master.and_then(|master| master.config.as_ref());
        let timeout = config.and_then(|config| config.settings.process.shutdown_timeout);
        child.cut_by_timeout(timeout, time_ns)
    }

    /// What was forked to run a new binary has ended without becoming a master.
    fn upgrade_failed(&mut self, pid: u32, status: Status) {
        if let Some(process) = self.processes.remove(&pid) {
            log::warn!(
                "the binary upgrade that master {} began has failed: process {pid} ended, {status}",
                process.parent
            );
        }
    }

    fn child_ended(
        &mut self,
        pid: u32,
        process: &Process,
        child: &Child,
        status: Status,
        (time_ns, lost, timed_out): (u64, Option<Lost>, bool),
    ) {
        let (reason, sender) =
            lifecycle::classify(pid, status, &process.signals, process.oom.is_some());
        // nginx replaces every worker that it did not itself tell to end, except one that failed
        // to start (`ngx_process_cycle.c`, exit code 2).
        let replaced =
            child.role != Role::CacheLoader && !child.draining && status.exit_code != Some(2);
        if replaced && let Some(master) = self.masters.get_mut(&process.parent) {
            master.owe_replacement(time_ns);
        }
        let fell = sender.is_none() && self.fallen.contains(&process.parent);
        let stopped = self.is_stopped(process.parent, &child.instance, sender.as_ref());
        let killed = reason == Reason::Killed;
        let by_master = (killed && stopped)
            || sender
                .as_ref()
                .is_some_and(|sender| sender.pid == process.parent);
        let with_master = killed && (fell || self.is_killed(process.parent));
        // One that died before it said what it is may well have been a worker.
        let may_serve = matches!(child.role, Role::Worker | Role::Unknown);
        let lost = may_serve.then_some(lost).flatten();
        let exit = WorkerExit {
            pid,
            role: child.role,
            generation: child.generation,
            reason,
            signal: status.signal_name(),
            exit_code: status.exit_code,
            core_dumped: status.core_dumped,
            sender,
            lost_connections: lost.as_ref().map(|lost| lost.connections),
            lost_total: lost.as_ref().map(|lost| lost.total),
            lost_requests: lost.map(|lost| lost.requests),
            crash: process.crash.clone().filter(|_| reason == Reason::Crash),
            memory: (reason == Reason::OomKill).then(|| self.memory(pid, process)),
            uptime_s: uptime_s(process.started_ns, time_ns),
            detail: (timed_out && reason == Reason::Graceful).then_some(detail::SHUTDOWN_TIMEOUT),
            by_master,
            with_master,
        };
        self.fact(time_ns, &child.instance, Event::WorkerExit(Box::new(exit)));
        self.settle_end(&child.instance, Some(reason), time_ns);
    }

    /// Whether a signal is part of a master's stop: whoever stopped its service ended what was left.
    fn is_stopped(&self, master: u32, instance: &Instance, sender: Option<&Sender>) -> bool {
        let (stop, place) = if let Some(master) = self.masters.get(&master) {
            (master.stop.as_ref(), &master.place)
        } else if let Some(ended) = self.ends.get(instance).filter(|it| it.master == master) {
            (ended.stop.as_ref(), &ended.place)
        } else {
            return false;
        };
        stop.is_some() && sender.is_none_or(|sender| place.is_managed_by(&self.proc, sender.pid))
    }

    /// Whether a master that is still there was sent SIGKILL.
    fn is_killed(&self, master: u32) -> bool {
        self.processes.get(&master).is_some_and(|master| {
            let mut signals = master.signals.iter();
            signals.any(|sent| sent.signal == signals::KILL)
        })
    }

    /// What the kernel log says of the OOM kill of any process.
    pub fn kill_of(&mut self, pid: u32) -> Option<Memory> {
        self.kernel_log.as_mut()?.kill_of(pid)
    }

    fn memory(&mut self, pid: u32, process: &Process) -> Memory {
        let mut memory = self.kill_of(pid).unwrap_or_default();
        memory.rss_bytes = memory.rss_bytes.or(process.oom.filter(|bytes| *bytes > 0));
        memory
    }

    fn master_ended(
        &mut self,
        pid: u32,
        process: &Process,
        instance: &Instance,
        status: Status,
        time_ns: u64,
    ) {
        let Some(master) = self.masters.remove(&pid) else {
            return;
        };
        let is_init = master.is_init;
        self.version += 1;
        if is_init {
            // The kernel ends every process of a pid namespace with its first one.
            self.fallen.truncate(MAX_FALLEN - 1);
            self.fallen.push_front(pid);
        }
        let (reason, sender) =
            lifecycle::classify(pid, status, &process.signals, process.oom.is_some());
        // After an upgrade the old master ends and the new one goes on: nobody is orphaned then.
        let succeeded = self.has_successor(instance);
        let orphans = if is_init || (succeeded && reason == Reason::Graceful) {
            0
        } else {
            self.children_of(pid).len()
        };
        let stop = master.stop.clone();
        let exit = MasterExit {
            pid,
            reason,
            signal: status.signal_name(),
            exit_code: status.exit_code,
            sender: sender.or_else(|| stop.as_ref()?.sender.clone()),
            orphans: u32::try_from(orphans).unwrap_or(u32::MAX),
            detail: if succeeded {
                Some(detail::SUCCEEDED)
            } else {
                let asked = stop.filter(|stop| stop.after_oom_ms.is_none());
                asked.map(|_| detail::STOPPED)
            },
        };
        self.fact(time_ns, instance, Event::MasterExit(exit));
        if !succeeded {
            self.remember_ended(master, Some(reason), time_ns);
            self.settle_end(instance, Some(reason), time_ns);
        }
    }

    /// Whether a master of that instance serves that was not told to end.
    fn has_successor(&self, instance: &Instance) -> bool {
        let mut masters = self.masters.values();
        masters.any(|master| master.instance == *instance && !master.stopping)
    }

    /// Drops processes that are gone without a record of their end, after records were lost.
    /// Gives how many.
    pub fn reconcile(&mut self) -> usize {
        let gone: Vec<_> = self
            .processes
            .iter()
            .filter(|(pid, process)| !self.is_same(**pid, process))
            .map(|(pid, _)| *pid)
            .collect();
        let mut unseen = Vec::new();
        for pid in &gone {
            self.kernel.untrack(*pid);
            self.processes.remove(pid);
            if let Some(master) = self.masters.remove(pid) {
                self.version += 1;
                if !self.has_successor(&master.instance) {
                    unseen.push((*pid, master.instance.clone()));
                    self.remember_ended(master, None, boot_ns_now());
                }
            }
        }
        self.settle_ends();
        for (master, instance) in unseen {
            self.tell_left_behind(master, &instance);
        }
        for pid in self.processes.keys() {
            self.kernel.track(*pid); // a fork that found no room was not followed
        }
        gone.len()
    }

    pub(super) fn is_same(&self, pid: u32, process: &Process) -> bool {
        // `/proc` gives the start to 10 ms.
        self.proc.status(pid).is_some_and(|status| {
            !status.dead && status.started_ns.abs_diff(process.started_ns) < 20_000_000
        })
    }
}

fn uptime_s(started_ns: u64, ended_ns: u64) -> f64 {
    let milliseconds = ended_ns.saturating_sub(started_ns) / 1_000_000;
    f64::from(u32::try_from(milliseconds).unwrap_or(u32::MAX)) / 1000.0
}

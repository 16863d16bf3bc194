//! Instances of which nothing runs any more: who told them to end, and when that is certain.

use std::collections::HashMap;

use super::{Fleet, Track, master::Master, orphans::read_pid, place::Place, process::Process};
use crate::{
    clock::{Time, boot_ns_now},
    config,
    facts::{Down, Event, Instance, Reason, Sender, Stop},
    signals::{self, Sent},
};

/// A service manager that stops all of a service after an OOM kill does so at once.
const AFTER_OOM_NS: u64 = 2_000_000_000;
/// Instances that are remembered after their masters' end, so that a failed start is told of them.
const MAX_ENDED: usize = 64;

/// Instances whose last master has ended.
pub(super) type Ends = HashMap<Instance, Ended>;

/// What is kept of a master that ended and has no successor.
#[derive(Debug)]
pub(super) struct Ended {
    pub master: u32,
    pub place: Place,
    pub config: Option<config::Master>,
    /// Nanoseconds since boot.
    pub since_ns: u64,
    /// It was told to end.
    pub stop: Option<Stop>,
    /// Its own process id, as it wrote it into its pid file.
    inner_pid: u32,
    /// Why the last process of it ended, as far as was seen.
    reason: Option<Reason>,
    /// That nothing is left was said.
    pub said: bool,
}

impl Ended {
    fn of(master: Master, reason: Option<Reason>, since_ns: u64) -> Self {
        Self {
            master: master.pid,
            place: master.place,
            config: master.config,
            since_ns,
            stop: master.stop,
            inner_pid: master.inner_pid,
            reason,
            said: false,
        }
    }

    /// A master removes its pid file when it is told to end; one that was killed leaves it behind.
    fn left_pid_file(&self) -> bool {
        let Some(config) = &self.config else {
            return false;
        };
        read_pid(config, &config.settings.pid_path) == Some(self.inner_pid)
    }
}

impl<T: Track> Fleet<T> {
    /// A master was sent a signal by which it ends.
    pub(super) fn told_to_end(&mut self, pid: u32, sent: Sent, time_ns: u64) {
        let Some(master) = self.masters.get_mut(&pid) else {
            return;
        };
        master.stopping = true;
        if master.stop.is_some() {
            return; // whoever was first began it
        }
        let since_oom = master.oom_ns.map(|oom_ns| time_ns.saturating_sub(oom_ns));
        let after_oom = since_oom.filter(|past_ns| *past_ns <= AFTER_OOM_NS);
        let managed = |sender: &Sender| master.place.is_managed_by(&self.proc, sender.pid);
        master.stop = Some(Stop {
            time: Time::of_boot_ns(time_ns),
            signal: signals::name(sent.signal),
            managed: sent.sender.as_ref().is_some_and(managed),
            sender: sent.sender,
            after_oom_ms: after_oom.map(|past_ns| past_ns / 1_000_000),
        });
    }

    /// The OOM killer chose a process.
    pub(super) fn marked_by_oom(&mut self, pid: u32, bytes: u64, time_ns: u64) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        process.oom = Some(bytes);
        let parent = process.parent;
        if let Some(master) = self.masters.get_mut(&parent) {
            master.oom_ns = Some(time_ns);
        }
    }

    /// A master without a successor has ended. `reason` is that of its end, where that was seen.
    pub(super) fn remember_ended(&mut self, master: Master, reason: Option<Reason>, time_ns: u64) {
        let instance = master.instance.clone();
        // An old master that drains for hours after an upgrade is not the one that served.
        if self.ends.contains_key(&instance) && master.stop.is_some() {
            return;
        }
        if self.ends.len() >= MAX_ENDED && !self.ends.contains_key(&instance) {
            let oldest = self.ends.iter().min_by_key(|(_, ended)| ended.since_ns);
            if let Some(oldest) = oldest.map(|(instance, _)| instance.clone()) {
                self.ends.remove(&oldest);
            }
        }
        self.ends
            .insert(instance, Ended::of(master, reason, time_ns));
    }

    /// Says that an instance is down once nothing of it is left. `reason` is that of the process that
    /// ended last.
    pub(super) fn settle_end(&mut self, instance: &Instance, reason: Option<Reason>, time_ns: u64) {
        let mut masters = self.masters.values();
        let serves = |process: &Process| {
            let child = process.child();
            child.is_some_and(|it| it.instance == *instance && !it.draining)
        };
        if masters.any(|it| it.instance == *instance && !it.stopping)
            || self.processes.values().any(serves)
        {
            return;
        }
        let Some(ended) = self.ends.get_mut(instance).filter(|ended| !ended.said) else {
            return;
        };
        ended.said = true;
        ended.reason = reason;
        let down = Down {
            master: ended.master,
            stop: ended.stop.clone(),
            reason,
            left_pid_file: reason.is_none() && ended.left_pid_file(),
        };
        self.fact(time_ns, instance, Event::Down(down));
    }

    /// The same for every instance whose end was not seen.
    pub(super) fn settle_ends(&mut self) {
        let mut open: Vec<_> = self
            .ends
            .iter()
            .filter(|(_, ended)| !ended.said)
            .map(|(instance, ended)| (instance.clone(), ended.reason))
            .collect();
        open.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        for (instance, reason) in open {
            self.settle_end(&instance, reason, boot_ns_now());
        }
    }
}

//! A master's death waits for what becomes of its workers: with theirs it is one event.

use std::{collections::btree_map::Entry, time::Duration};

use super::{Ends, of_reason};
use crate::{
    clock::Time,
    correlator::{
        Cause, Correlator, Evidence, MAX_OPEN,
        incident::Evidenced,
        summary::{self, seen},
        suspects::Death,
    },
    facts::{FailedStart, Instance, MasterExit, Reason, WorkerExit, detail},
};

/// How long the death of a master waits for the ends of its workers.
const HOLD: Duration = Duration::from_secs(1);
/// Deaths of workers that wait with it.
const MAX_HELD: usize = 1024;
/// The end of a master, and of workers with it.
pub(super) struct Held {
    due: Time,
    master: Option<(Time, MasterExit)>,
    workers: Vec<(Time, Box<WorkerExit>)>,
    failed: Vec<(Time, FailedStart)>,
}

impl Held {
    /// A start that failed meanwhile is told of after them.
    pub(super) fn wait(&mut self, time: Time, failed: &FailedStart) {
        if self.failed.len() < MAX_HELD {
            self.failed.push((time, failed.clone()));
        }
    }
}

impl Ends {
    fn hold(&mut self, instance: &Instance, time: Time) -> Option<&mut Held> {
        let full = self.held.len() >= MAX_OPEN;
        match self.held.entry(instance.clone()) {
            Entry::Occupied(held) => Some(held.into_mut()),
            Entry::Vacant(_) if full => None,
            Entry::Vacant(new) => Some(new.insert(Held {
                due: time.plus(HOLD),
                master: None,
                workers: Vec::new(),
                failed: Vec::new(),
            })),
        }
    }
}

impl Correlator {
    /// A master ended. One that was told to, and left nothing behind, is no incident.
    pub(in crate::correlator) fn master_exit(
        &mut self,
        time: Time,
        instance: &Instance,
        exit: &MasterExit,
    ) {
        let stopped = exit.detail == Some(detail::STOPPED);
        if stopped || exit.reason == Reason::Graceful && exit.orphans == 0 {
            return;
        }
        if exit.detail == Some(detail::SUCCEEDED) {
            // As when an upgrade is taken back the hard way: the other master serves.
            if exit.orphans > 0 {
                let evidence = summary::of_master_exit(exit);
                self.evidence(time, instance, Cause::MasterDied, evidence);
            }
            return;
        }
        if let Some(held) = self.ends.hold(instance, time) {
            held.master = Some((time, exit.clone()));
        } else {
            let evidence = summary::of_master_exit(exit).into();
            self.lasting(time, instance, Cause::MasterDied, evidence);
        }
    }

    /// Whether a worker's death waits with that of its master.
    pub(in crate::correlator) fn holds(
        &mut self,
        time: Time,
        instance: &Instance,
        exit: &WorkerExit,
    ) -> bool {
        let orphan = self.ends.held.contains_key(instance);
        if exit.reason != Reason::Killed || !(orphan || exit.with_master) {
            return false;
        }
        let held = self.ends.hold(instance, time);
        let room = held.filter(|held| held.workers.len() < MAX_HELD);
        room.map(|held| held.workers.push((time, Box::new(exit.clone()))))
            .is_some()
    }

    /// Gives up waiting for what would explain a master's death: its workers serve on.
    pub(in crate::correlator) fn release_ends(&mut self, now: Time) {
        let due = |(_, held): &(&Instance, &Held)| held.due <= now;
        let due: Vec<_> = self.ends.held.iter().filter(due).collect();
        let due: Vec<_> = due
            .into_iter()
            .map(|(instance, _)| instance.clone())
            .collect();
        for instance in due {
            self.give_up_waiting(&instance);
        }
    }

    /// The same for one instance, of which something serves.
    pub(super) fn give_up_waiting(&mut self, instance: &Instance) {
        let Some(held) = self.ends.held.remove(instance) else {
            return;
        };
        if let Some((time, exit)) = held.master {
            let evidence = summary::of_master_exit(&exit).into();
            self.lasting(time, instance, Cause::MasterDied, evidence);
        }
        for (time, exit) in held.workers {
            self.worker_died(time, instance, &exit);
        }
        for (time, failed) in held.failed {
            self.start_failed(time, instance, &failed);
        }
    }

    /// A master's death, and all of its workers' with it.
    pub(super) fn all_died(&mut self, time: Time, instance: &Instance, held: Held) {
        let workers = held.workers.len();
        let Some((_, exit)) = held.master else {
            return;
        };
        let mut pieces = summary::of_master_exit(&exit);
        if workers > 0 {
            let first = held.workers.first().map(|(_, exit)| exit);
            let sender = first.and_then(|exit| exit.sender.as_ref());
            let signal = first.and_then(|exit| exit.signal).unwrap_or("a signal");
            let what = format!(
                "a process that it had was ended by {signal}{}",
                summary::from(sender)
            );
            pieces.push(Evidence {
                count: workers as u64,
                ..seen("lifecycle", what)
            });
        }
        let evidence = Evidenced {
            pieces,
            deaths: held
                .workers
                .iter()
                .map(|(_, exit)| Death::of(exit))
                .collect(),
            ..of_reason(exit.reason)
        };
        self.went_down(time, instance, evidence);
        for (time, failed) in held.failed {
            self.start_failed(time, instance, &failed);
        }
    }
}

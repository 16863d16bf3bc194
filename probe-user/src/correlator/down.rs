//! An nginx that serves no more: which ends are one event, and whether somebody asked for it.
//!
//! A master's death waits for what becomes of its workers. A service manager ends them within some
//! milliseconds: then nothing serves, and the deaths are one event. Else they are orphans that serve on.

mod held;
mod words;

use std::{collections::BTreeMap, time::Duration};

pub(super) use self::words::{advice, of_down};
use self::{
    held::Held,
    words::{of_failed, of_oom_policy},
};
use super::{
    Cause, Confidence, Correlator, Evidence, MAX_OPEN, SAME_RELOAD, apart,
    incident::Evidenced,
    key::Key,
    subjects::{Subject, Subjects},
    summary::{self, seen},
};
use crate::{
    clock::Time,
    facts::{Down, FailedStart, Instance, Orphans, Reason, Task, detail},
    names::Name,
};

/// A test of the configuration that failed so shortly before or after tells why a start does.
const SAME_START: Duration = Duration::from_secs(10);
/// How long an instance is down at most before its incident ends: by then nobody misses it.
const LONGEST: Duration = Duration::from_hours(24);
/// Instances that are down at once, one by one.
const MAX_DOWN: usize = 64;

/// Ends that are not understood yet, and stops that a failed start may follow.
#[derive(Default)]
pub(super) struct Ends {
    held: BTreeMap<Instance, Held>,
    stopped: BTreeMap<Instance, Stopped>,
    failed: BTreeMap<Instance, (Time, FailedStart)>,
}

/// An instance that was told to end, and did.
struct Stopped {
    time: Time,
    /// What told it to, in words; nothing where that was not seen.
    by: Option<String>,
}

impl Ends {
    /// Nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Lets go of what is known of an instance that is gone for good.
    pub(super) fn forget(&mut self, instance: &Instance) {
        self.held.remove(instance);
        self.stopped.remove(instance);
        self.failed.remove(instance);
    }
}

impl Correlator {
    /// Nothing of an instance is left.
    pub(super) fn down(&mut self, time: Time, instance: &Instance, down: &Down) {
        let held = self.ends.held.remove(instance);
        if let Some(stop) = &down.stop {
            if let Some(after_ms) = stop.after_oom_ms {
                let evidence = Evidenced {
                    pieces: vec![seen("signals", of_oom_policy(stop.signal, after_ms, down))],
                    confidence: (!stop.managed).then_some(Confidence::Probable),
                    ..told(detail::OOM_POLICY)
                };
                self.went_down(time, instance, evidence);
            } else {
                let by = format!("{}{}", stop.signal, summary::from(stop.sender.as_ref()));
                self.stopped(time, instance, stop.time, Some(by));
            }
            return;
        }
        match (held, down.reason) {
            (Some(held), _) => self.all_died(time, instance, held),
            (None, Some(Reason::Graceful)) if self.is_open(instance, Cause::MasterDied) => {
                let what = "the workers that its master left behind have ended".to_owned();
                let evidence = vec![seen("lifecycle", what)];
                self.went_down(time, instance, evidence.into());
            }
            (None, Some(Reason::Graceful)) => self.stopped(time, instance, time, None),
            // The orphans of a master that died before.
            (None, Some(reason)) => {
                let what = "the last process that it had was ended too".to_owned();
                let evidence = Evidenced {
                    pieces: vec![seen("lifecycle", what)],
                    ..of_reason(reason)
                };
                self.went_down(time, instance, evidence);
            }
            (None, None) if down.left_pid_file => {
                let what = format!(
                    "master {} is gone, and left the pid file that it removes when it is told to end",
                    down.master
                );
                let evidence = Evidenced {
                    pieces: vec![seen("processes", what)],
                    confidence: Some(Confidence::Probable),
                    ..Evidenced::default()
                };
                self.went_down(time, instance, evidence);
            }
            (None, None) => {
                self.stopped(time, instance, time, None);
                self.refused_while_down(time, instance);
            }
        }
    }

    /// It was told to end. A failed start that came meanwhile was meant to replace it.
    fn stopped(&mut self, time: Time, instance: &Instance, told: Time, by: Option<String>) {
        if self.ends.stopped.len() >= MAX_OPEN {
            self.ends.stopped.pop_first();
        }
        let stopped = Stopped { time, by };
        self.ends.stopped.insert(instance.clone(), stopped);
        let failed = self.ends.failed.get(instance);
        if let Some((failed_at, failed)) = failed
            && *failed_at >= told
            && is_start(failed)
        {
            let (failed_at, failed) = (*failed_at, failed.clone());
            self.start_failed(failed_at.max(time), instance, &failed);
        }
    }

    /// An nginx was started in the place of one that serves no more, in vain.
    pub(super) fn start_failed(&mut self, time: Time, instance: &Instance, failed: &FailedStart) {
        if let Some(held) = self.ends.held.get_mut(instance) {
            held.wait(time, failed);
            return;
        }
        let is_down = self.is_open(instance, Cause::NginxDown);
        let piece = seen("lifecycle", of_failed(failed));
        if is_down || is_start(failed) && self.ends.stopped.contains_key(instance) {
            self.start_is_missing(time, instance, failed, piece);
        } else if is_start(failed) && self.is_open(instance, Cause::MasterDied) {
            // It is no proof that the master is gone.
            let evidence = Evidenced {
                pieces: vec![piece],
                confidence: Some(Confidence::Possible),
                ..Evidenced::default()
            };
            self.evidence(time, instance, Cause::MasterDied, evidence);
        } else {
            if self.ends.failed.len() >= MAX_OPEN {
                self.ends.failed.pop_first();
            }
            let known = (time, failed.clone());
            self.ends.failed.insert(instance.clone(), known);
        }
    }

    fn start_is_missing(
        &mut self,
        time: Time,
        instance: &Instance,
        failed: &FailedStart,
        piece: Evidence,
    ) {
        let mut pieces = Vec::new();
        if let Some(stopped) = self.ends.stopped.remove(instance) {
            let by = stopped
                .by
                .map_or_else(String::new, |by| format!(" by {by}"));
            let what = format!("it was told to end{by}, and ended");
            pieces.push(seen("signals", what));
        }
        // A test that somebody ran by hand says why the start would fail too.
        let earlier = self.ends.failed.remove(instance);
        if let Some((_, test)) =
            earlier.filter(|(at, test)| apart(*at, time) <= SAME_START && test.pid != failed.pid)
        {
            pieces.push(seen("lifecycle", of_failed(&test)));
        }
        pieces.push(piece);
        pieces.extend(self.take_refused(time, instance));
        let proves = is_start(failed) && failed.task != Task::Unknown;
        // What may have been a start does not say why it is down where that is known.
        let is_down = self.is_open(instance, Cause::NginxDown);
        let evidence = if proves || is_start(failed) && !is_down {
            told(detail::FAILED_START)
        } else {
            Evidenced::default()
        };
        let evidence = Evidenced {
            pieces,
            confidence: (!proves).then_some(Confidence::Possible),
            ..evidence
        };
        self.went_down(time, instance, evidence);
    }

    /// A configuration was refused while nothing ran: by the start that is missing, or by a test.
    pub(super) fn refused_while_down(&mut self, time: Time, instance: &Instance) {
        if self.is_open(instance, Cause::NginxDown) {
            let pieces: Vec<_> = self.take_refused(time, instance).into_iter().collect();
            if !pieces.is_empty() {
                // Any test of the configuration writes it.
                let evidence = Evidenced {
                    pieces,
                    confidence: Some(Confidence::Possible),
                    ..Evidenced::default()
                };
                self.went_down(time, instance, evidence);
            }
            return;
        }
        let stopped = self.ends.stopped.get(instance);
        // Where the kernel tells of programs that end, it tells of the failed start itself.
        let unseen =
            stopped.is_some_and(|it| it.by.is_none() && apart(it.time, time) <= SAME_RELOAD);
        if !unseen || !self.blind {
            return;
        }
        let Some(piece) = self.take_refused(time, instance) else {
            return;
        };
        let evidence = Evidenced {
            pieces: vec![piece],
            confidence: Some(Confidence::Possible),
            ..told(detail::FAILED_START)
        };
        self.went_down(time, instance, evidence);
    }

    fn take_refused(&mut self, time: Time, instance: &Instance) -> Option<Evidence> {
        let near = |(logged, _): &(Time, String)| apart(time, *logged) <= SAME_RELOAD;
        self.refused.get(instance).filter(|it| near(it))?;
        let (_, message) = self.refused.remove(instance)?;
        Some(summary::of_refused_config(&message))
    }

    /// Evidence of an instance that is down, which it stays until it serves again.
    fn went_down(&mut self, time: Time, instance: &Instance, evidence: Evidenced) {
        let down = |key: &&Key| key.cause == Cause::NginxDown;
        let is_new = !self.is_open(instance, Cause::NginxDown);
        if is_new && self.open.keys().filter(down).count() >= MAX_DOWN {
            let runs = self.open.iter().filter(|(key, _)| down(key));
            let oldest = runs.min_by_key(|(_, run)| run.incident.opened_at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.close(time, &oldest);
            }
        }
        self.close(time, &Key::of(instance, Cause::MasterDied));
        self.lasting(time, instance, Cause::NginxDown, evidence);
    }

    /// Evidence of what lasts until something else ends it.
    fn lasting(&mut self, time: Time, instance: &Instance, cause: Cause, evidence: Evidenced) {
        self.evidence(time, instance, cause, evidence);
        if let Some(run) = self.open.get_mut(&Key::of(instance, cause)) {
            run.lasting_until = Some(run.incident.opened_at.plus(LONGEST));
        }
    }

    /// A worker of an instance began: whatever was down serves again.
    pub(super) fn serves(&mut self, time: Time, instance: &Instance) {
        self.ends.stopped.remove(instance);
        self.ends.failed.remove(instance);
        self.give_up_waiting(instance);
        for cause in [Cause::NginxDown, Cause::MasterDied] {
            self.close(time, &Key::of(instance, cause));
        }
    }

    /// Workers were found that have no master.
    pub(super) fn orphans_found(&mut self, time: Time, instance: &Instance, found: &Orphans) {
        if found.workers == 0 {
            self.close(time, &Key::of(instance, Cause::MasterDied));
            return;
        }
        let master = found
            .master
            .map_or_else(|| "their master".to_owned(), |pid| format!("master {pid}"));
        let what = format!(
            "{master} is gone, and its end was not seen, {} workers left behind",
            found.workers
        );
        let evidence = Evidenced {
            pieces: vec![seen("processes", what)],
            confidence: Some(Confidence::Probable),
            ..Evidenced::default()
        };
        self.lasting(time, instance, Cause::MasterDied, evidence);
    }
}

/// Whether it was one step of a start, not of somebody's test.
fn is_start(failed: &FailedStart) -> bool {
    failed.task != Task::Test || failed.managed
}

fn told(detail: Name) -> Evidenced {
    Evidenced {
        detail: Some(detail),
        subjects: Subjects::default().with(Subject::Reason, Some(detail)),
        ..Evidenced::default()
    }
}

fn of_reason(reason: Reason) -> Evidenced {
    match reason {
        Reason::Killed | Reason::OomKill => told(detail::KILLED),
        Reason::Crash | Reason::Graceful | Reason::ErrorExit => Evidenced::default(),
    }
}

#[cfg(test)]
mod tests;

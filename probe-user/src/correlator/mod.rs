//! Facts in, records out: which facts belong together, and what they mean.
//!
//! Does no I/O and reads no clock: the same facts in the same order give the same records. Time
//! moves with [`Correlator::fact`] and [`Correlator::tick`].

mod advice;
mod answers;
mod backends;
mod cause;
mod incident;
mod stalls;
mod summary;
mod suspects;
pub(crate) use self::summary::{from, of_memory};

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use self::{
    advice::advice,
    answers::Expected,
    backends::Backends,
    incident::{Evidenced, Run},
    suspects::Death,
};
pub use self::{
    answers::Failed,
    cause::Cause,
    incident::{Confidence, Evidence, Incident, State},
};
use crate::{
    clock::Time,
    facts::{Event, Fact, Instance, MasterExit, Reason, Reload, ReloadResult, WorkerExit},
    records::{Body, Record},
};

/// Responses are put beside a death when they are logged this close to it.
const BESIDE: Duration = Duration::from_secs(2);
/// A refused configuration and a failed reload this close to each other are one.
const SAME_RELOAD: Duration = Duration::from_secs(5);
/// An open incident is written anew at most this often.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
/// Log batches that are remembered of each instance; at ten a second, more than [`BESIDE`].
const MAX_BATCHES: usize = 64;
/// Incidents that may be open at once; more instances than this do not fail one by one.
const MAX_OPEN: usize = 1024;

/// Failed responses of one look at a log, by status.
type Batch = (Time, BTreeMap<u16, u64>);

/// Joins facts into records and incidents.
pub struct Correlator {
    host: String,
    quiet: Duration,
    open: BTreeMap<(Instance, Cause), Run>,
    /// Failed responses of the last moments, by instance.
    recent: HashMap<Instance, VecDeque<Batch>>,
    /// Why a configuration was refused last, by instance.
    refused: HashMap<Instance, (Time, String)>,
    opened: u64,
    /// Answers whose log lines are still to come: counted already, and not.
    seen: Expected,
    unseen: Expected,
    failures: Vec<Failed>,
    backends: Backends,
    /// Every failed answer is a record of its own.
    tell_responses: bool,
    /// A source is missing that could prove causes.
    blind: bool,
    records: Vec<Record>,
}

impl Correlator {
    /// `host` goes into every record; an incident closes after `quiet` without new evidence. With
    /// `blind`, when a source is missing that could prove a cause, no incident is complete.
    #[must_use]
    pub fn new(host: String, quiet: Duration, blind: bool) -> Self {
        Self {
            host,
            quiet,
            open: BTreeMap::new(),
            recent: HashMap::new(),
            refused: HashMap::new(),
            opened: 0,
            seen: Expected::default(),
            unseen: Expected::default(),
            failures: Vec::new(),
            backends: Backends::default(),
            tell_responses: false,
            blind,
            records: Vec::new(),
        }
    }

    /// Gives a record of each failed answer too.
    pub const fn tell_responses(&mut self) {
        self.tell_responses = true;
    }

    /// Takes one fact; gives what is to be said now.
    pub fn fact(&mut self, fact: Fact) -> Vec<Record> {
        let Fact {
            time,
            instance,
            event,
        } = fact;
        match event {
            Event::WorkerStart(start) => self.say(time, &instance, Body::WorkerStart(start)),
            Event::WorkerExit(exit) => {
                self.say(time, &instance, Body::WorkerExit(exit.clone()));
                self.worker_exit(time, &instance, &exit);
            }
            Event::MasterExit(exit) => {
                self.say(time, &instance, Body::MasterExit(exit.clone()));
                self.master_exit(time, &instance, &exit);
            }
            Event::Reload(reload) => {
                self.say(time, &instance, Body::Reload(reload.clone()));
                self.reload(time, &instance, &reload);
            }
            Event::Upgrade(upgrade) => self.say(time, &instance, Body::Upgrade(upgrade)),
            Event::Responses(codes) => self.responses(time, &instance, &codes),
            Event::ConfigRefused(message) => self.config_refused(time, &instance, message),
            Event::Answer(answer) => self.answer(time, &instance, answer),
            Event::BackendServes(new) => self.backend_serves(time, &instance, &new),
            Event::BackendExit(exit) => self.backend_exit(time, &instance, *exit),
            Event::CallFailed(failure) => self.call_failed(time, &instance, &failure),
            Event::Dropped(dropped) => self.dropped(time, &instance, &dropped),
            Event::Overflow(overflow) => self.overflow(time, &instance, &overflow),
            Event::Hung(hung) => self.hung(time, &instance, &hung),
            Event::Returned(returned) => self.returned(time, &instance, &returned),
            Event::Lost(_) => {
                for run in self.open.values_mut() {
                    run.incident.complete = false;
                    run.changed = true;
                }
            }
        }
        std::mem::take(&mut self.records)
    }

    /// Moves the time on: writes changed incidents anew and closes quiet ones. Call it about ten
    /// times a second while [`Self::is_idle`] is false.
    pub fn tick(&mut self, now: Time) -> Vec<Record> {
        self.release(now);
        let keys: Vec<_> = self.open.keys().cloned().collect();
        for key in keys {
            let Some(run) = self.open.get_mut(&key) else {
                continue;
            };
            if run.lasting.is_empty() && now.since(run.last_evidence) >= self.quiet {
                // Evidence may be old: of a buffered log, or of a time when nobody looked.
                let end = run.last_evidence.plus(self.quiet);
                self.close(end.min(now), &key);
            } else if run.changed && now.since(run.last_said) >= UPDATE_EVERY {
                run.changed = false;
                run.last_said = now;
                let incident = run.say(State::Updated, now);
                self.say(now, &key.0, Body::Incident(Box::new(incident)));
            }
        }
        std::mem::take(&mut self.records)
    }

    /// The agent ends: open incidents are written once more if there is something new, and stay
    /// open, since nobody saw their end.
    pub fn finish(&mut self, now: Time) -> Vec<Record> {
        self.release(Time(u64::MAX));
        for run in self.open.values_mut() {
            run.last_said = Time::default();
        }
        self.tick(now)
    }

    /// Nothing is open, so time has nothing to change.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.backends.is_idle()
    }

    /// Whether an incident of that cause is open on that instance.
    #[must_use]
    pub fn is_open(&self, instance: &Instance, cause: Cause) -> bool {
        self.open.contains_key(&(instance.clone(), cause))
    }

    fn worker_exit(&mut self, time: Time, instance: &Instance, exit: &WorkerExit) {
        let cause = match exit.reason {
            Reason::Graceful => return,
            // A stop that takes too long: the master itself ends its workers.
            Reason::Killed if exit.by_master => return,
            Reason::Killed => Cause::WorkerKilled,
            Reason::OomKill => Cause::WorkerOomKill,
            Reason::Crash | Reason::ErrorExit => Cause::WorkerCrash,
        };
        let new = Evidenced {
            pieces: summary::of_worker_exit(exit),
            death: Some(Death::of(exit)),
            ..Evidenced::default()
        };
        self.evidence(time, instance, cause, new);
        self.put_beside(time, instance, cause);
    }

    fn master_exit(&mut self, time: Time, instance: &Instance, exit: &MasterExit) {
        if exit.reason != Reason::Graceful || exit.orphans > 0 {
            self.evidence(
                time,
                instance,
                Cause::MasterDied,
                summary::of_master_exit(exit),
            );
        }
    }

    fn reload(&mut self, time: Time, instance: &Instance, reload: &Reload) {
        match reload.result {
            ReloadResult::Failed => {
                let mut evidence = summary::of_failed_reload(reload);
                let why = self.refused.remove(instance);
                if let Some((logged, message)) = why
                    && apart(time, logged) <= SAME_RELOAD
                {
                    evidence.push(summary::of_refused_config(&message));
                }
                self.evidence(time, instance, Cause::ReloadFailed, evidence);
            }
            ReloadResult::Ok => self.close(time, &(instance.clone(), Cause::ReloadFailed)),
        }
    }

    /// The message may come before the reload is known to have failed or after. By itself it proves
    /// nothing: `nginx -t` writes it too. It may be older than one that came before it, of another
    /// log: then that one is kept.
    fn config_refused(&mut self, time: Time, instance: &Instance, message: String) {
        if let Some(run) = self.open.get_mut(&(instance.clone(), Cause::ReloadFailed))
            && apart(time, run.last_evidence) <= SAME_RELOAD
        {
            run.add(time, vec![summary::of_refused_config(&message)].into());
            return;
        }
        let last = self.refused.values().map(|(logged, _)| *logged).max();
        let last = last.unwrap_or_default().max(time);
        self.refused
            .retain(|_, (logged, _)| apart(last, *logged) <= SAME_RELOAD);
        let known = self.refused.get(instance);
        let newer = known.is_none_or(|(logged, _)| *logged <= time);
        if newer && (known.is_some() || self.refused.len() < MAX_OPEN) {
            self.refused.insert(instance.clone(), (time, message));
        }
    }

    /// Failed responses belong to no cause as long as nothing explains them. Those near a death
    /// stand beside it as well, as evidence, without being counted twice.
    fn responses(&mut self, time: Time, instance: &Instance, codes: &BTreeMap<u16, u64>) {
        let failed: BTreeMap<u16, u64> = codes
            .iter()
            .filter(|(code, _)| **code >= 500)
            .map(|(code, n)| (*code, *n))
            .collect();
        let failed = self.logged(time, instance, &failed);
        if failed.is_empty() {
            return;
        }
        let deaths: Vec<_> = self
            .open
            .iter()
            .filter(|((of, _), run)| {
                of == instance
                    && run
                        .last_death
                        .is_some_and(|death| apart(time, death) <= BESIDE)
            })
            .map(|((_, cause), _)| *cause)
            .collect();
        for cause in deaths {
            if let Some(run) = self.open.get_mut(&(instance.clone(), cause)) {
                run.beside(time, &failed);
            }
        }
        self.unexplained(time, instance, &failed);
        if self.recent.len() >= MAX_OPEN && !self.recent.contains_key(instance) {
            return;
        }
        let recent = self.recent.entry(instance.clone()).or_default();
        if recent.len() >= MAX_BATCHES {
            recent.pop_front();
        }
        recent.push_back((time, failed));
    }

    fn unexplained(&mut self, time: Time, instance: &Instance, failed: &BTreeMap<u16, u64>) {
        let pieces = failed
            .iter()
            .map(|(code, count)| summary::of_responses(*code, *count));
        let new = Evidenced {
            pieces: pieces.collect(),
            responses: failed.clone(),
            ..Evidenced::default()
        };
        self.evidence(time, instance, Cause::Unknown, new);
    }

    /// Puts what was logged just before a death beside it.
    fn put_beside(&mut self, time: Time, instance: &Instance, cause: Cause) {
        let Some(run) = self.open.get_mut(&(instance.clone(), cause)) else {
            return;
        };
        let since = run.last_death.replace(time);
        for (logged, failed) in self.recent.get(instance).into_iter().flatten() {
            // What stood beside the death before is not put there again.
            let seen = since.is_some_and(|death| apart(*logged, death) <= BESIDE);
            if !seen && apart(time, *logged) <= BESIDE {
                run.beside(*logged, failed);
            }
        }
    }

    fn evidence(
        &mut self,
        time: Time,
        instance: &Instance,
        cause: Cause,
        new: impl Into<Evidenced>,
    ) {
        let key = (instance.clone(), cause);
        if let Some(run) = self.open.get_mut(&key) {
            run.add(time, new.into());
            return;
        }
        if self.open.len() >= MAX_OPEN {
            return;
        }
        self.opened += 1;
        let id = format!("{:x}-{}", time.0 / 1_000_000, self.opened);
        let mut run = Run::open(id, cause, time, advice(cause));
        run.incident.complete = !self.blind;
        run.add(time, new.into());
        run.changed = false;
        let incident = run.say(State::Opened, time);
        self.open.insert(key, run);
        self.say(time, instance, Body::Incident(Box::new(incident)));
    }

    fn close(&mut self, time: Time, key: &(Instance, Cause)) {
        if let Some(mut run) = self.open.remove(key) {
            let incident = run.say(State::Closed, time);
            self.say(time, &key.0, Body::Incident(Box::new(incident)));
        }
    }

    fn say(&mut self, time: Time, instance: &Instance, body: Body) {
        self.records
            .push(Record::new(time, instance.clone(), self.host.clone(), body));
    }
}

/// How far two times are from each other.
fn apart(one: Time, other: Time) -> Duration {
    one.since(other).max(other.since(one))
}

#[cfg(test)]
mod tests;

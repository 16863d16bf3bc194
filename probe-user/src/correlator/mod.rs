//! Facts in, records out: which facts belong together, and what they mean.
//!
//! Does no I/O and reads no clock: the same facts in the same order give the same records. Time
//! moves with [`Correlator::fact`] and [`Correlator::tick`].

mod advice;
mod answers;
mod backends;
mod beside;
mod better;
mod cases;
mod cause;
mod down;
mod expected;
mod identities;
mod incident;
mod key;
mod late;
mod notes;
mod partial;
mod rules;
mod signs;
mod stalls;
mod subjects;
mod summary;
mod suspects;
mod verdict;
pub(crate) use self::summary::{from, of_memory, size};

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

pub use self::{
    answers::Failed,
    cause::Cause,
    incident::{Confidence, Evidence, Incident, State},
};
use self::{
    backends::Backends,
    beside::Recent,
    cases::Cases,
    down::Ends,
    identities::Identities,
    incident::{Evidenced, Run},
    key::Key,
    subjects::{Subject, Subjects},
    suspects::Death,
    verdict::Verdict,
};
use crate::{
    clock::Time,
    facts::{
        Event, Fact, Instance, Reason, Reload, ReloadResult, Returns, Role, Sources, WorkerExit,
        detail,
    },
    records::{Body, Record},
};

/// A refused configuration and a failed reload this close to each other are one.
const SAME_RELOAD: Duration = Duration::from_secs(5);
/// An open incident is written anew at most this often.
const UPDATE_EVERY: Duration = Duration::from_secs(1);
/// Incidents that may be open at once; more instances than this do not fail one by one.
const MAX_OPEN: usize = 1024;
/// Instances that something is kept of at once: more than a host runs containers.
const MAX_INSTANCES: usize = 4096;

/// Joins facts into records and incidents.
pub struct Correlator {
    host: String,
    quiet: Duration,
    open: BTreeMap<Key, Run>,
    recent: Recent,
    /// Why a configuration was refused last, by instance.
    refused: HashMap<Instance, (Time, String)>,
    opened: u64,
    /// The latest time that anything told of.
    now: Time,
    cases: Cases,
    sources: HashMap<Instance, Sources>,
    returns: HashMap<Instance, Arc<Returns>>,
    /// In which container and unit each instance is, where that was said.
    identities: Identities,
    failures: Vec<Failed>,
    backends: Backends,
    ends: Ends,
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
            recent: Recent::default(),
            refused: HashMap::new(),
            opened: 0,
            now: Time::default(),
            cases: Cases::default(),
            sources: HashMap::new(),
            returns: HashMap::new(),
            identities: Identities::default(),
            failures: Vec::new(),
            backends: Backends::default(),
            ends: Ends::default(),
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
        self.now = self.now.max(time);
        match event {
            Event::WorkerStart(start) => {
                let serves = start.role == Role::Worker;
                self.say(time, &instance, Body::WorkerStart(start));
                if serves {
                    self.serves(time, &instance);
                }
            }
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
            Event::Down(down) => self.down(time, &instance, &down),
            Event::StartFailed(failed) => self.start_failed(time, &instance, &failed),
            Event::Orphans(found) => self.orphans_found(time, &instance, &found),
            // They are counted; those that failed are told of one by one as well.
            Event::Responses(_) => {}
            Event::Logged(logged) => self.logged(time, &instance, logged),
            Event::Noted(note) => self.noted(time, &instance, *note),
            Event::Sources(sources) => self.watched(instance, sources),
            Event::Returns(returns) => self.configured(instance, returns),
            Event::ConfigRefused(message) => self.config_refused(time, &instance, message),
            Event::Answer(answer) => self.answer(time, &instance, answer),
            Event::BackendServes(new) => self.backend_serves(time, &instance, &new),
            Event::BackendExit(exit) => self.backend_exit(time, &instance, *exit),
            Event::CallFailed(failure) => self.call_failed(time, &instance, &failure),
            Event::Dropped(dropped) => self.dropped(time, &instance, &dropped),
            Event::Overflow(overflow) => self.overflow(time, &instance, &overflow),
            Event::Hung(hung) => self.hung(time, &instance, &hung),
            Event::Returned(returned) => self.returned(time, &instance, &returned),
            Event::Identity(identity) => self.identities.set(instance, identity),
            Event::Forgotten => self.forget(time, &instance),
            Event::Lost(_) => {
                for run in self.open.values_mut() {
                    run.incident.complete = false;
                    run.changed = true;
                }
            }
        }
        self.make_room();
        std::mem::take(&mut self.records)
    }

    /// Moves the time on: writes changed incidents anew and closes quiet ones. Call it about ten
    /// times a second while [`Self::is_idle`] is false.
    pub fn tick(&mut self, now: Time) -> Vec<Record> {
        self.now = self.now.max(now);
        self.settle_due(false);
        self.release(self.now);
        self.release_ends(self.now);
        let keys: Vec<_> = self.open.keys().cloned().collect();
        for key in keys {
            let Some(run) = self.open.get_mut(&key) else {
                continue;
            };
            let lasts = !run.lasting.is_empty() || run.lasting_until.is_some_and(|end| now < end);
            if !lasts && now.since(run.last_evidence) >= self.quiet {
                // Evidence may be old: of a buffered log, or of a time when nobody looked.
                let end = run.last_evidence.plus(self.quiet);
                self.close(end.min(now), &key);
            } else if run.changed && now.since(run.last_said) >= UPDATE_EVERY {
                run.changed = false;
                run.last_said = now;
                let incident = run.say(State::Updated, now);
                self.say(now, &key.instance, Body::Incident(Box::new(incident)));
            }
        }
        std::mem::take(&mut self.records)
    }

    /// The agent ends: open incidents are written once more if there is something new, and stay
    /// open, since nobody saw their end.
    pub fn finish(&mut self, now: Time) -> Vec<Record> {
        self.settle_due(true);
        self.release(Time(u64::MAX));
        self.release_ends(Time(u64::MAX));
        for run in self.open.values_mut() {
            run.last_said = Time::default();
        }
        self.tick(now)
    }

    /// Nothing is open, so time has nothing to change.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
            && self.backends.is_idle()
            && self.ends.is_idle()
            && self.cases.is_idle()
    }

    /// Whether an incident of that cause is open on that instance.
    #[must_use]
    pub fn is_open(&self, instance: &Instance, cause: Cause) -> bool {
        self.open.contains_key(&Key::of(instance, cause))
    }

    /// Whether any incident is open on that instance.
    #[must_use]
    pub fn has_open(&self, instance: &Instance) -> bool {
        self.open.keys().any(|key| key.instance == *instance)
    }

    /// Changes with all that [`Self::tick`] changes, but for what it says and its present time.
    pub(crate) fn extent(&self) -> [usize; 4] {
        [
            self.cases.extent(),
            self.backends.held(),
            self.ends.held(),
            self.failures.len(),
        ]
    }

    fn watched(&mut self, instance: Instance, sources: Sources) {
        if self.sources.len() < MAX_INSTANCES || self.sources.contains_key(&instance) {
            self.sources.insert(instance, sources);
        }
    }

    fn configured(&mut self, instance: Instance, returns: Arc<Returns>) {
        if self.returns.len() < MAX_INSTANCES || self.returns.contains_key(&instance) {
            self.returns.insert(instance, returns);
        }
    }

    fn worker_exit(&mut self, time: Time, instance: &Instance, exit: &WorkerExit) {
        if !exit.by_master && self.holds(time, instance, exit) {
            return;
        }
        self.worker_died(time, instance, exit);
    }

    fn worker_died(&mut self, time: Time, instance: &Instance, exit: &WorkerExit) {
        let cause = match exit.reason {
            Reason::Graceful if exit.detail == Some(detail::SHUTDOWN_TIMEOUT) => {
                Cause::WorkerShutdown
            }
            Reason::Graceful => return,
            // A stop that takes too long: the master itself ends its workers.
            Reason::Killed if exit.by_master => return,
            Reason::Killed => Cause::WorkerKilled,
            Reason::OomKill => Cause::WorkerOomKill,
            Reason::Crash | Reason::ErrorExit => Cause::WorkerCrash,
        };
        let new = Evidenced {
            pieces: summary::of_worker_exit(exit),
            deaths: vec![Death::of(exit)],
            subjects: Subjects::default()
                .with(Subject::Reason, Some(exit.reason.as_str()))
                .with(
                    Subject::Sender,
                    exit.sender.as_ref().map(|sender| &*sender.comm),
                ),
            ..Evidenced::default()
        };
        self.evidence(time, instance, cause, new);
        if cause != Cause::WorkerShutdown {
            self.put_beside(time, instance, cause);
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
                let new = Evidenced {
                    pieces: evidence,
                    subjects: Subjects::default().with(Subject::Reason, reload.detail),
                    detail: reload.detail,
                    ..Evidenced::default()
                };
                self.evidence(time, instance, Cause::ReloadFailed, new);
            }
            ReloadResult::Ok => self.close(time, &Key::of(instance, Cause::ReloadFailed)),
        }
    }

    /// The message may come before the reload is known to have failed or after. By itself it proves
    /// nothing: `nginx -t` writes it too. It may be older than one that came before it, of another
    /// log: then that one is kept.
    fn config_refused(&mut self, time: Time, instance: &Instance, message: String) {
        if let Some(run) = self.open.get_mut(&Key::of(instance, Cause::ReloadFailed))
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
            self.refused_while_down(time, instance);
        }
    }

    fn evidence(
        &mut self,
        time: Time,
        instance: &Instance,
        cause: Cause,
        new: impl Into<Evidenced>,
    ) {
        self.add_evidence(time, Key::of(instance, cause), new.into());
    }

    fn add_evidence(&mut self, time: Time, key: Key, new: Evidenced) {
        if let Some(run) = self.open.get_mut(&key) {
            run.add(time, new);
            return;
        }
        if self.open.len() >= MAX_OPEN {
            return;
        }
        self.opened += 1;
        let id = format!("{:x}-{}", time.0 / 1_000_000, self.opened);
        let mut run = Run::open(id, &key, time);
        run.incident.complete = !self.blind;
        run.add(time, new);
        run.changed = false;
        let incident = run.say(State::Opened, time);
        let instance = key.instance.clone();
        self.open.insert(key, run);
        self.say(time, &instance, Body::Incident(Box::new(incident)));
    }

    fn close(&mut self, time: Time, key: &Key) {
        if let Some(mut run) = self.open.remove(key) {
            let incident = run.say(State::Closed, time);
            self.say(time, &key.instance, Body::Incident(Box::new(incident)));
        }
    }

    fn say(&mut self, time: Time, instance: &Instance, body: Body) {
        let identity = self.identities.of(instance);
        let record = Record::new(time, instance.clone(), self.host.clone(), body);
        self.records.push(record.with_identity(identity));
    }
}

/// How far two times are from each other.
fn apart(one: Time, other: Time) -> Duration {
    one.since(other).max(other.since(one))
}

#[cfg(test)]
mod tests;

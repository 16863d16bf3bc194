//! An nginx that serves no more: which ends are one event, and whether somebody asked for it.
//!
//! A master's death waits for what becomes of its workers. A service manager ends them within some
//! milliseconds: then nothing serves, and the deaths are one event. Else they are orphans that serve on.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use super::{
    Cause, Confidence, Correlator, Evidence, MAX_OPEN, SAME_RELOAD, apart,
    incident::Evidenced,
    subjects::{Subject, Subjects},
    summary::{self, seen},
    suspects::Death,
};
use crate::{
    clock::Time,
    facts::{Down, FailedStart, Instance, MasterExit, Orphans, Reason, Task, WorkerExit, detail},
    names::Name,
};

/// How long the death of a master waits for the ends of its workers.
const HOLD: Duration = Duration::from_secs(1);
/// Deaths of workers that wait with it.
const MAX_HELD: usize = 1024;
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

/// The end of a master, and of workers with it.
struct Held {
    due: Time,
    master: Option<(Time, MasterExit)>,
    workers: Vec<(Time, Box<WorkerExit>)>,
    failed: Vec<(Time, FailedStart)>,
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
    pub(super) fn master_exit(&mut self, time: Time, instance: &Instance, exit: &MasterExit) {
        let stopped = exit.detail == Some(detail::STOPPED);
        if stopped || exit.reason == Reason::Graceful && exit.orphans == 0 {
            return;
        }
        if let Some(held) = self.ends.hold(instance, time) {
            held.master = Some((time, exit.clone()));
        } else {
            let evidence = summary::of_master_exit(exit);
            self.evidence(time, instance, Cause::MasterDied, evidence);
        }
    }

    /// Whether a worker's death waits with that of its master.
    pub(super) fn holds(&mut self, time: Time, instance: &Instance, exit: &WorkerExit) -> bool {
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
    pub(super) fn release_ends(&mut self, now: Time) {
        let due = |(_, held): &(&Instance, &Held)| held.due <= now;
        let due: Vec<_> = self.ends.held.iter().filter(due).collect();
        let due: Vec<_> = due
            .into_iter()
            .map(|(instance, _)| instance.clone())
            .collect();
        for instance in due {
            let Some(held) = self.ends.held.remove(&instance) else {
                continue;
            };
            if let Some((time, exit)) = held.master {
                let evidence = summary::of_master_exit(&exit);
                self.evidence(time, &instance, Cause::MasterDied, evidence);
            }
            for (time, exit) in held.workers {
                self.worker_died(time, &instance, &exit);
            }
            for (time, failed) in held.failed {
                self.start_failed(time, &instance, &failed);
            }
        }
    }

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

    /// A master's death, and all of its workers' with it.
    fn all_died(&mut self, time: Time, instance: &Instance, held: Held) {
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
                "what it left was ended by {signal}{}",
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
            if held.failed.len() < MAX_HELD {
                held.failed.push((time, failed.clone()));
            }
            return;
        }
        let is_down = self.is_open(instance, Cause::NginxDown);
        let piece = seen("lifecycle", of_failed(failed));
        if is_down || is_start(failed) && self.ends.stopped.contains_key(instance) {
            self.start_is_missing(time, instance, failed, piece);
        } else if is_start(failed) && self.is_open(instance, Cause::MasterDied) {
            self.evidence(time, instance, Cause::MasterDied, vec![piece]);
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
        let mut pieces = vec![piece];
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
        pieces.extend(self.take_refused(time, instance));
        let evidence = if is_start(failed) {
            told(detail::FAILED_START)
        } else {
            Evidenced::default()
        };
        let evidence = Evidenced {
            pieces,
            confidence: (failed.task == Task::Unknown).then_some(Confidence::Possible),
            ..evidence
        };
        self.went_down(time, instance, evidence);
    }

    /// A configuration was refused while nothing ran: by the start that is missing, or by a test.
    pub(super) fn refused_while_down(&mut self, time: Time, instance: &Instance) {
        if self.is_open(instance, Cause::NginxDown) {
            let pieces: Vec<_> = self.take_refused(time, instance).into_iter().collect();
            if !pieces.is_empty() {
                self.went_down(time, instance, pieces.into());
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
        let down = |key: &&(Instance, Cause)| key.1 == Cause::NginxDown;
        let is_new = !self.is_open(instance, Cause::NginxDown);
        if is_new && self.open.keys().filter(down).count() >= MAX_DOWN {
            let runs = self.open.iter().filter(|(key, _)| down(key));
            let oldest = runs.min_by_key(|(_, run)| run.incident.opened_at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.close(time, &oldest);
            }
        }
        self.evidence(time, instance, Cause::NginxDown, evidence);
        if let Some(run) = self.open.get_mut(&(instance.clone(), Cause::NginxDown)) {
            run.lasting_until = Some(run.incident.opened_at.plus(LONGEST));
        }
    }

    /// A worker of an instance began: whatever was down serves again.
    pub(super) fn serves(&mut self, time: Time, instance: &Instance) {
        self.ends.stopped.remove(instance);
        self.ends.failed.remove(instance);
        let key = (instance.clone(), Cause::NginxDown);
        if self.open.contains_key(&key) {
            self.close(time, &key);
        }
    }

    /// Workers were found that have no master.
    pub(super) fn orphans_found(&mut self, time: Time, instance: &Instance, found: &Orphans) {
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
        self.evidence(time, instance, Cause::MasterDied, evidence);
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

fn of_failed(failed: &FailedStart) -> String {
    let program = match failed.task {
        Task::Serve => "nginx, started anew,",
        Task::Test if failed.managed => "nginx -t, with which the service manager begins a start,",
        Task::Test => "nginx -t",
        Task::Unknown => "an nginx that was started",
    };
    match (failed.signal, failed.exit_code) {
        (Some(signal), _) => format!("{program} was ended by {signal}"),
        (None, code) => format!(
            "{program} ended with exit code {}",
            code.unwrap_or_default()
        ),
    }
}

fn of_oom_policy(signal: &str, after_ms: u64, down: &Down) -> String {
    let sender = down.stop.as_ref().and_then(|stop| stop.sender.as_ref());
    format!(
        "master {} was told to end by {signal}{}, {after_ms} ms after the OOM killer chose one of its \
         processes",
        down.master,
        summary::from(sender)
    )
}

/// The one line of an incident that is down.
pub(super) fn of_down(incident: &super::Incident) -> String {
    let first = incident.evidence.first();
    let first = first.map_or("its processes are gone", |piece| piece.what.as_str());
    let why = incident
        .evidence
        .iter()
        .rfind(|piece| piece.source == "error_log");
    let why = why.map_or_else(String::new, |piece| format!(" ({})", piece.what));
    match incident.detail {
        Some(detail::FAILED_START) => {
            let failed = |piece: &&Evidence| {
                piece.source == "lifecycle" && piece.what.contains("ended with")
            };
            let failed = incident.evidence.iter().rfind(failed);
            let failed = failed.map_or("its new start failed", |piece| piece.what.as_str());
            format!("nginx serves no more: {failed}{why}")
        }
        Some(detail::OOM_POLICY) => {
            "nginx serves no more: its service manager stopped all of it after one OOM kill"
                .to_owned()
        }
        _ => format!("nginx serves no more: {first}{why}"),
    }
}

/// What to do about an instance that is down.
pub(super) fn advice(of: &Subjects) -> Vec<String> {
    let mut advice = Vec::new();
    if of.has(Subject::Reason, detail::FAILED_START) {
        advice.extend([
            "run nginx -t, mend what it names, and start nginx",
            "under systemd, systemctl status nginx and journalctl -u nginx have what the start wrote",
        ]);
    }
    if of.has(Subject::Reason, detail::OOM_POLICY) {
        advice.extend([
            "start nginx; OOMPolicy=continue in its unit (systemctl edit nginx) lets the master replace \
             a worker that the kernel killed, Restart=on-failure starts nginx again",
            "raise the unit's MemoryMax, or lower what workers use: the kill itself is worker_oom_kill",
        ]);
    }
    if advice.is_empty() {
        advice.extend([
            "start nginx; Restart=on-failure in its unit (systemctl edit nginx), or the restart policy \
             of its container, does it the next time",
            "ask whoever runs the sender that the evidence names; a master that crashed leaves its \
             signal there",
        ]);
    }
    advice.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;

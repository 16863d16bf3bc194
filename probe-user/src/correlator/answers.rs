//! Failed answers: what the kernel half and nginx's logs say of each is put together, and each gets
//! one cause and is counted once.

use std::collections::BTreeMap;

use super::{
    Cause, Confidence, Correlator, Evidence, Evidenced,
    cases::{Cases, LOGGED_WITHIN, WAIT},
    rules::{Judged, judge},
    signs::{self, Seen},
    subjects::{Subject, Subjects},
    summary,
    verdict::file_of,
};
use crate::{
    clock::Time,
    errnos::Failure,
    error_log,
    facts::{Dropped, Instance, Logged, Noted, Sources},
    requests::{Answer, Origin},
};

/// The first of the statuses that are failures.
const SERVER_ERROR: u16 = 500;

/// Failed answers, to be counted once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Of which nginx.
    pub instance: Instance,
    /// What the client was sent.
    pub code: u16,
    /// Why.
    pub cause: Cause,
    /// How many.
    pub count: u64,
}

impl Correlator {
    /// The kernel half tells of an answer.
    pub(super) fn answer(&mut self, time: Time, instance: &Instance, answer: Box<Answer>) {
        if answer.late || answer.cut {
            return self.partial(time, instance, answer);
        }
        let theirs = answer.attempts.last().and_then(|last| last.status());
        let Some(status) = answer.status.or(answer.made).or(theirs) else {
            return;
        };
        let saved = answer.origin() == Origin::Saved;
        let opaque = answer.status.is_none();
        let told = (time, instance);
        if !saved
            && !opaque
            && let Some(id) = self.cases.of_answer(told, &answer, status)
        {
            return self.answered_again(id, told, answer, status);
        }
        let id = self
            .cases
            .begin((time, instance), (Some(answer), None), status);
        self.cases.take_notes(id, time);
        if saved {
            // Nothing failed: what is said of it is about nothing that failed.
            self.cases.decide(id, Cause::Unknown, false);
            return;
        }
        // What the client got of an answer that nobody could read is in the log alone.
        let wait = if opaque { LOGGED_WITHIN } else { WAIT };
        self.cases.wait(id, self.now.plus(wait));
        self.settle(id, false);
    }

    /// The access log tells of an answer.
    pub(super) fn logged(&mut self, time: Time, instance: &Instance, logged: Box<Logged>) {
        if logged.count > 1 {
            return self.logged_several(time, instance, &logged);
        }
        if let Some(id) = self.cases.of_line(instance, &logged) {
            self.logged_again(id, time, instance, logged);
            return;
        }
        let spilled = self.cases.spilled.take(time, instance, logged.status, 1);
        if let Some((cause, _)) = spilled.first_key_value() {
            let piece = summary::of_line(&logged);
            self.append(time, instance, *cause, None, (piece, Subjects::default()));
            return;
        }
        let status = logged.status;
        let id = self
            .cases
            .begin((time, instance), (None, Some(logged)), status);
        self.cases.take_notes(id, time);
        let wait = Cases::wait_of(time, self.now);
        self.cases.wait(id, self.now.plus(wait));
        self.settle(id, false);
    }

    /// A line about an answer that is known.
    fn logged_again(&mut self, id: u64, time: Time, instance: &Instance, logged: Box<Logged>) {
        let decided = self.cases.decided(id);
        let upstream = self.cases.upstream(id);
        let piece = summary::of_line(&logged);
        self.cases.add_line(id, logged);
        if let Some(cause) = decided {
            self.append(
                time,
                instance,
                cause,
                upstream.as_deref(),
                (piece, Subjects::default()),
            );
        } else {
            self.cases.take_notes(id, time);
            let wait = Cases::wait_of(time, self.now);
            self.cases.wait(id, self.now.plus(wait));
            self.settle(id, false);
        }
    }

    /// Lines of which nothing else is known.
    fn logged_several(&mut self, time: Time, instance: &Instance, logged: &Logged) {
        let mut left = logged.count;
        while left > 0
            && let Some(id) = self.cases.of_line(instance, logged)
        {
            left -= 1;
            self.logged_again(id, time, instance, Box::new(logged.clone()));
        }
        let spilled = self.cases.spilled.take(time, instance, logged.status, left);
        for (cause, count) in spilled {
            left -= count;
            let mut piece = summary::of_line(logged);
            piece.count = count;
            self.append(time, instance, cause, None, (piece, Subjects::default()));
        }
        if left == 0 {
            return;
        }
        let seen = Seen {
            access_log: signs::of_how(logged.how),
            ..Seen::default()
        };
        let judged = judge(seen);
        let mut piece = summary::of_line(logged);
        piece.count = left;
        self.failed(instance, logged.status, judged.cause, left);
        if judged.cause == Cause::Unknown {
            self.unexplained(time, instance, logged.status, left);
        }
        let new = Evidenced {
            pieces: vec![piece],
            responses: BTreeMap::from([(logged.status, left)]),
            confidence: Some(judged.confidence),
            ..Evidenced::default()
        };
        self.evidence(time, instance, judged.cause, new);
    }

    /// The error log says something about a request.
    pub(super) fn noted(&mut self, time: Time, instance: &Instance, note: Noted) {
        let sources = self.sources(instance);
        let alone = told_by_messages_alone(sources, &note);
        if alone {
            self.told_alone(time, instance, &note, Confidence::Probable);
        }
        if !(sources.requests || sources.access_log) {
            if !alone {
                self.noted_alone(time, instance, &note);
            }
            return;
        }
        if note.client.is_none() {
            return;
        }
        let Some(id) = self.cases.of_note(instance, &note) else {
            // It comes before the answer that it is about, if there is one: another upstream may
            // help, or the client may leave.
            self.cases.notes.keep(time, instance, note);
            return;
        };
        let decided = self.cases.decided(id);
        let upstream = self.cases.upstream(id);
        let piece = summary::of_note(&note);
        let subjects = Subjects::default()
            .with(Subject::File, file_of(&note))
            .with(Subject::Class, Some(note.class.name));
        self.cases.add_note(id, note);
        if let Some(cause) = decided {
            if !alone {
                self.append(
                    time,
                    instance,
                    cause,
                    upstream.as_deref(),
                    (piece, subjects),
                );
            }
        } else {
            self.settle(id, false);
        }
    }

    /// More is said about an answer whose cause is known, and which is counted already or will be.
    pub(super) fn append(
        &mut self,
        time: Time,
        instance: &Instance,
        cause: Cause,
        upstream: Option<&str>,
        (mut piece, subjects): (Evidence, Subjects),
    ) {
        if cause == Cause::Unknown {
            return;
        }
        piece.time = time;
        if let Some(held) = self.backends.last_held(instance, cause) {
            held.pieces.push(piece);
            held.subjects.merge(subjects);
            return;
        }
        let new = Evidenced {
            pieces: vec![piece],
            confidence: Some(Confidence::Possible),
            subjects,
            ..Evidenced::default()
        };
        let key = self.key_of(instance, cause, upstream);
        if let Some(run) = self.open.get_mut(&key) {
            run.add(time, new);
        }
    }

    /// Decides an answer if what is known proves a cause, or nothing more will come.
    pub(super) fn settle(&mut self, id: u64, last: bool) {
        let Some(case) = self.cases.get(id) else {
            return;
        };
        let sources = self.sources(&case.instance);
        if case.unread {
            // Its line has not come.
            if last {
                self.cases.forget(id);
            }
            return;
        }
        let judged = judge(self.seen(case, sources));
        if case.answer.is_none() && self.served(case).acts_after {
            // The line has the status of what came after the answer, and tells nothing of it.
            if last {
                self.cases.forget(id);
            }
            return;
        }
        if case.status < SERVER_ERROR && self.is_no_failure(case, judged.cause) {
            if last {
                self.cases.forget(id);
            }
            return;
        }
        let alone = !sources.access_log && !sources.error_log;
        // What nginx said is known by its beginning only: the log has all of it.
        let unheard = sources.error_log
            && case.notes.is_empty()
            && case
                .answer
                .as_ref()
                .is_some_and(|answer| answer.says_words());
        let settled = !judged.inferred && judged.cause != Cause::Unknown && !unheard;
        if settled || last || alone {
            let verdict = self.verdict(case, judged);
            self.cases.is_about(id, verdict.upstream.as_deref());
            self.cases.decide(
                id,
                judged.cause,
                sources.access_log || sources == Sources::default(),
            );
            self.hold(verdict);
        }
    }

    /// Decides what has waited long enough; with `end` all.
    pub(super) fn settle_due(&mut self, end: bool) {
        let now = if end { Time(u64::MAX) } else { self.now };
        while let Some(id) = self.cases.take_due(now) {
            self.settle(id, true);
        }
        self.make_room();
        self.cases.notes.expire(self.now);
    }

    pub(super) fn make_room(&mut self) {
        while let Some(id) = self.cases.shrink(self.now) {
            self.settle(id, true);
        }
    }

    /// A message where nothing else tells of answers.
    fn noted_alone(&mut self, time: Time, instance: &Instance, note: &Noted) {
        if !matches!(note.class.answer, error_log::Answer::Status(500..)) {
            return;
        }
        let Judged { cause, .. } = judge(Seen {
            error_log: signs::of_class(note.class),
            ..Seen::default()
        });
        // Another upstream may have helped.
        let upstreams = [
            Cause::UpstreamRefused,
            Cause::UpstreamTimeout,
            Cause::UpstreamClosed,
        ];
        if cause == Cause::Unknown || upstreams.contains(&cause) {
            return;
        }
        self.told_alone(time, instance, note, Confidence::Possible);
    }

    /// A message is all that tells of a failure.
    fn told_alone(
        &mut self,
        time: Time,
        instance: &Instance,
        note: &Noted,
        confidence: Confidence,
    ) {
        let Some(cause) = note.class.cause else {
            return;
        };
        let new = Evidenced {
            pieces: vec![summary::of_note(note)],
            confidence: Some(confidence),
            ..Evidenced::default()
        };
        self.evidence(time, instance, cause, new);
    }

    pub(super) fn sources(&self, instance: &Instance) -> Sources {
        self.sources.get(instance).copied().unwrap_or_default()
    }

    pub(super) fn call_failed(&mut self, time: Time, instance: &Instance, failure: &Failure) {
        let cause = match (failure.call, failure.errno) {
            ("accept4" | "accept", "EMFILE" | "ENFILE") => Cause::FdExhaustion,
            ("accept4" | "accept", "ENOMEM" | "ENOBUFS") => Cause::MemoryExhaustion,
            // A cache, a log, or a part of an answer: no status may tell of it.
            (_, "ENOSPC" | "EDQUOT") => Cause::DiskFull,
            // What else fails is told of with the answer that it spoiled.
            _ => return,
        };
        self.evidence(time, instance, cause, vec![summary::of_failure(failure)]);
    }

    pub(super) fn dropped(&mut self, time: Time, instance: &Instance, dropped: &Dropped) {
        let cause = if dropped.for_memory {
            Cause::MemoryExhaustion
        } else {
            Cause::WorkerConnections
        };
        self.evidence(time, instance, cause, vec![summary::of_dropped(dropped)]);
    }

    pub(super) fn failed(&mut self, instance: &Instance, code: u16, cause: Cause, count: u64) {
        self.failures.push(Failed {
            instance: instance.clone(),
            code,
            cause,
            count,
        });
    }

    /// The failed answers since the last call, each once.
    pub fn take_failures(&mut self) -> Vec<Failed> {
        std::mem::take(&mut self.failures)
    }
}

/// Whether a message tells of a failure that no answer may tell of, and no request is followed: a
/// connection that was not taken or was dropped, a part of an answer that could not be kept.
pub(super) fn told_by_messages_alone(sources: Sources, note: &Noted) -> bool {
    !sources.requests
        && match note.class.answer {
            error_log::Answer::NoAnswer => matches!(
                note.class.cause,
                Some(Cause::FdExhaustion | Cause::WorkerConnections | Cause::MemoryExhaustion)
            ),
            error_log::Answer::Fails => note.class.cause == Some(Cause::DiskFull),
            _ => false,
        }
}

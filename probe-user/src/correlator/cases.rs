//! Failed answers, each put together from what the sources say of it, whoever says it first.
//!
//! Bounded: of too many the oldest are decided with what is known, and what is known of the decided
//! shrinks to how many there were.

mod late;
mod room;
mod same;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

pub(super) use self::same::key;
use self::same::{of_client, other_client, same_client, trim, trim_noted};
use super::{Cause, expected::Expected, notes::Notes};
use crate::{
    clock::Time,
    error_log::{self, Class},
    facts::{Instance, Logged, Noted},
    requests::Answer,
};

/// An answer whose cause is not proven waits so long for what other sources say of it: a log is read
/// within 50 ms of being written.
pub(super) const WAIT: Duration = Duration::from_millis(300);
/// A log tells of an answer at most this long after it was sent: a buffered one is written when its
/// buffer is full or its `flush=` is over.
pub(super) const LOGGED_WITHIN: Duration = Duration::from_mins(10);
/// Answers that are kept one by one.
const MAX_CASES: usize = 8_192;
/// Messages that are kept of one answer.
const MAX_NOTES: usize = 4;
/// Answers to the same request that are looked at for the one a line is about.
const MAX_LOOKS: usize = 64;

/// One failed answer.
#[derive(Debug)]
pub(super) struct Case {
    pub time: Time,
    pub instance: Instance,
    /// What the client was sent; of one that nobody could read, what it was sent if it was told of
    /// by nginx or the upstream.
    pub status: u16,
    pub key: u64,
    pub client: Option<String>,
    pub answer: Option<Box<Answer>>,
    pub logged: Option<Box<Logged>>,
    pub notes: Vec<Noted>,
    /// Until when it waits; none when it is decided.
    pub due: Option<Time>,
    /// Once it is decided.
    pub cause: Cause,
    /// The status of an answer that nobody could read is as told by nginx or the upstream.
    pub unread: bool,
    /// The kernel half may still tell of it.
    unseen: bool,
    /// A line of the access log is still to come.
    pub unlogged: bool,
    /// Of one that nobody could read: whether an upstream was asked.
    asked: Option<bool>,
    /// How many messages can be about it: one for each attempt at an upstream.
    pub attempts: usize,
    noted: usize,
}

impl Case {
    /// Whether a message can be about this answer.
    fn may_have(&self, class: &Class) -> bool {
        let fits = match class.answer {
            error_log::Answer::Status(status) => {
                status == self.status
                    || class.cause == Some(Cause::Limited)
                    // Of an earlier attempt, or before an `error_page` changed it.
                    || self.attempts > 1
                    || self.status < 500
            }
            error_log::Answer::Fails => true,
            error_log::Answer::Unharmed => class.cause.is_some(),
            error_log::Answer::NoAnswer => false,
        };
        fits && self.takes_notes()
    }

    /// Whether it has not as many messages as can be about it.
    fn takes_notes(&self) -> bool {
        self.noted < self.attempts.clamp(1, MAX_NOTES)
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Cases {
    all: HashMap<u64, Case>,
    last: u64,
    /// In the order in which they began.
    order: VecDeque<u64>,
    waiting: BTreeSet<(Time, u64)>,
    /// Those whose lines are to come, by the request.
    by_request: HashMap<(Instance, u64), VecDeque<u64>>,
    /// All, by the request and the client.
    by_client: HashMap<(Instance, u64), VecDeque<u64>>,
    /// Likewise, those of which a message may still be said.
    by_note: HashMap<(Instance, u64), VecDeque<u64>>,
    /// Those whose lines are to come, by what was sent.
    by_status: HashMap<(Instance, u16), VecDeque<u64>>,
    /// Answers that began since the queues were last swept.
    unswept: usize,
    /// Decided ones of which no more than that is known.
    pub spilled: Expected,
    pub notes: Notes,
}

impl Cases {
    /// Whether none waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Less whenever something is decided, let go of or forgotten.
    pub(super) fn extent(&self) -> usize {
        self.waiting.len() + self.all.len() + self.order.len() + self.notes.extent()
    }

    /// Begins one that is not decided.
    pub(super) fn begin(
        &mut self,
        (time, instance): (Time, &Instance),
        (answer, logged): (Option<Box<Answer>>, Option<Box<Logged>>),
        status: u16,
    ) -> u64 {
        let of_answer = answer.as_ref();
        let request = of_answer
            .and_then(|answer| answer.request.as_ref())
            .or_else(|| logged.as_ref().and_then(|logged| logged.request.as_ref()));
        let client = of_answer
            .and_then(|answer| answer.client.as_ref())
            .or_else(|| logged.as_ref().and_then(|logged| logged.client.as_ref()));
        let attempts = same::attempts(answer.as_deref(), logged.as_deref());
        let case = Case {
            time,
            instance: instance.clone(),
            status,
            key: key(request),
            client: client.cloned(),
            unread: of_answer.is_some_and(|answer| answer.status.is_none()),
            unseen: of_answer.is_none(),
            asked: of_answer
                .filter(|answer| answer.opaque)
                .map(|answer| answer.upstream.is_some()),
            unlogged: logged.is_none(),
            answer,
            logged,
            notes: Vec::new(),
            due: None,
            cause: Cause::Unknown,
            attempts: attempts.max(1),
            noted: 0,
        };
        self.last += 1;
        self.unswept += 1;
        let id = self.last;
        self.order.push_back(id);
        let pid = case.answer.as_ref().map(|answer| answer.pid);
        let of = of_client(case.key, case.client.as_deref(), pid);
        let of = (instance.clone(), of);
        self.by_note.entry(of.clone()).or_default().push_back(id);
        self.by_client.entry(of).or_default().push_back(id);
        if case.unlogged {
            let request = (instance.clone(), case.key);
            self.by_request.entry(request).or_default().push_back(id);
            let status = (instance.clone(), status);
            self.by_status.entry(status).or_default().push_back(id);
        }
        self.all.insert(id, case);
        id
    }

    pub(super) fn get(&self, id: u64) -> Option<&Case> {
        self.all.get(&id)
    }

    /// Has one wait for what others say, at most until then.
    pub(super) fn wait(&mut self, id: u64, due: Time) {
        if let Some(case) = self.all.get_mut(&id) {
            if let Some(before) = case.due.replace(due) {
                self.waiting.remove(&(before, id));
            }
            self.waiting.insert((due, id));
        }
    }

    /// The next one that has waited long enough, or for which there is no room. It waits no more.
    pub(super) fn take_due(&mut self, now: Time) -> Option<u64> {
        let full = self.waiting.len() > MAX_CASES / 2;
        let first = self.waiting.first().filter(|(due, _)| full || *due <= now);
        let (due, id) = first.copied()?;
        self.waiting.remove(&(due, id));
        if let Some(one) = self.all.get_mut(&id) {
            one.due = None;
        }
        Some(id)
    }

    /// Decides one. What was said of it is given; it stays to be found by what is said later, unless
    /// nothing can come any more.
    pub(super) fn decide(&mut self, id: u64, cause: Cause, awaits_line: bool) {
        let Some(one) = self.all.get_mut(&id) else {
            return;
        };
        if let Some(due) = one.due.take() {
            self.waiting.remove(&(due, id));
        }
        one.cause = cause;
        one.answer = None;
        one.logged = None;
        one.notes = Vec::new();
        one.unlogged &= awaits_line;
    }

    /// Its cause, once it is decided.
    pub(super) fn decided(&self, id: u64) -> Option<Cause> {
        let one = self.all.get(&id).filter(|one| one.due.is_none());
        one.map(|one| one.cause)
    }

    /// Forgets one that was none.
    pub(super) fn forget(&mut self, id: u64) {
        // The queues lose it when they come to it.
        let gone = self.all.remove(&id);
        if let Some(due) = gone.and_then(|case| case.due) {
            self.waiting.remove(&(due, id));
        }
    }

    /// The answer that a line of the access log is about, as far as it is told: the same request of
    /// the same client first, then the same request, then the same status.
    pub(super) fn of_line(&mut self, instance: &Instance, logged: &Logged) -> Option<u64> {
        let request = (instance.clone(), key(logged.request.as_ref()));
        let cases = &self.all;
        let fits = |id: &u64| {
            let case = cases.get(id)?;
            let same = case.unlogged && case.status == logged.status;
            (same && same::asked(case.asked, logged)).then_some(case)
        };
        let mut found = None;
        if request.1 != 0
            && let Some(ids) = self.by_request.get_mut(&request)
        {
            trim(ids, cases);
            for (id, case) in ids
                .iter()
                .take(MAX_LOOKS)
                .filter_map(|id| Some((*id, fits(id)?)))
            {
                if same_client(case.client.as_deref(), logged.client.as_deref()) {
                    found = Some(id);
                    break;
                }
                found = found.or(Some(id));
            }
        }
        if found.is_none() {
            let status = (instance.clone(), logged.status);
            let ids = self.by_status.get_mut(&status)?;
            trim(ids, cases);
            let known = request.1 != 0;
            let mut ids = ids.iter().take(MAX_LOOKS);
            // One of which the request is known is some other line's, unless names differ; another
            // client's is so in any case.
            let client = logged.client.as_deref();
            let own = |case: &Case| !other_client(case.client.as_deref(), client);
            found = ids
                .clone()
                .find(|id| fits(id).is_some_and(|case| !known || case.key == 0))
                .or_else(|| ids.find(|id| fits(id).is_some_and(own)))
                .copied();
        }
        found
    }

    /// Adds the line that [`Self::of_line`] found to be about it. One that is decided is not changed.
    pub(super) fn add_line(&mut self, id: u64, logged: Box<Logged>) {
        if let Some(case) = self.all.get_mut(&id) {
            case.unlogged = false;
            if case.due.is_some() {
                case.status = logged.status;
                case.unread = false;
                if case.key == 0 {
                    case.key = key(logged.request.as_ref());
                    case.client.clone_from(&logged.client);
                    let of = of_client(case.key, case.client.as_deref(), None);
                    let of = (case.instance.clone(), of);
                    self.by_note.entry(of.clone()).or_default().push_back(id);
                    self.by_client.entry(of).or_default().push_back(id);
                }
                case.logged = Some(logged);
            }
        }
    }

    /// The answer that a message is about: the oldest that waits, else one that is decided.
    pub(super) fn of_note(&mut self, instance: &Instance, note: &Noted) -> Option<u64> {
        let cases = &self.all;
        let request = key(note.request.as_ref());
        let mut found = None;
        for key in [request, 0] {
            let of = of_client(key, note.client.as_deref(), Some(note.pid));
            let Some(ids) = self.by_note.get_mut(&(instance.clone(), of)) else {
                continue;
            };
            trim_noted(ids, cases);
            // Of a request that nobody could read only its upstream is known.
            let of_upstream =
                |answer: &Answer| answer.upstream.is_some() && answer.upstream == note.upstream;
            let fits = |id: &&u64| {
                let case = cases.get(id).filter(|case| case.may_have(note.class));
                case.is_some_and(|case| key != 0 || case.answer.as_deref().is_some_and(of_upstream))
            };
            let waits = |id: &&u64| cases.get(id).is_some_and(|case| case.due.is_some());
            // Those that wait are the last, and of a storm of the same the first as well.
            let mut last = ids.iter().rev().take(MAX_LOOKS).filter(fits);
            let mut first = ids.iter().take(MAX_LOOKS).filter(fits);
            let decided = last.clone().next().or_else(|| first.clone().next());
            found = (last.rfind(waits))
                .or_else(|| first.find(waits))
                .or(decided.filter(|_| key != 0))
                .copied();
            if found.is_some() || key == 0 {
                break;
            }
        }
        found
    }

    pub(super) fn add_note(&mut self, id: u64, note: Noted) {
        if let Some(case) = self.all.get_mut(&id) {
            case.noted += 1;
            if case.due.is_some() {
                case.notes.push(note);
            }
        }
    }

    /// Takes the messages that came before it.
    pub(super) fn take_notes(&mut self, id: u64, now: Time) {
        let Some(case) = self.all.get_mut(&id) else {
            return;
        };
        while case.noted < case.attempts.clamp(1, MAX_NOTES) {
            let wanted = |note: &Noted| {
                let connection = case.logged.as_ref().and_then(|logged| logged.connection);
                let same = match (connection, note.connection) {
                    (Some(one), Some(other)) => one == other,
                    _ => same_client(case.client.as_deref(), note.client.as_deref()),
                };
                same && case.may_have(note.class)
            };
            let Some(note) = self.notes.take(&case.instance, case.key, now, wanted) else {
                return;
            };
            case.noted += 1;
            case.notes.push(note);
        }
    }
}

//! Failed answers, each put together from what the sources say of it, whoever says it first.
//!
//! Bounded: of too many the oldest are decided with what is known, and what is known of the decided
//! shrinks to how many there were.

mod late;
mod lines;
mod messages;
mod room;
mod same;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

pub(super) use self::same::key;
use self::same::of_client;
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
/// Likewise one whose line is read long after it was written, as by an agent that was away: the other
/// log is caught up with in a turn of its own.
pub(super) const WAIT_LATE: Duration = Duration::from_secs(2);
/// A line that is read so long after it was written is late.
const LATE: Duration = Duration::from_secs(1);
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
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one thing that is known of it or not, whatever the others are"
)]
pub(super) struct Case {
    pub time: Time,
    pub instance: Instance,
    /// What the client was sent; of one that nobody could read, what it was sent if it was told of
    /// by nginx or the upstream.
    pub status: u16,
    pub key: u64,
    /// The request is known from its first byte to the end of its path.
    whole: bool,
    pub client: Option<String>,
    /// The connection's number, as logs have it.
    connection: Option<u64>,
    pub answer: Option<Box<Answer>>,
    pub logged: Option<Box<Logged>>,
    pub notes: Vec<Noted>,
    /// Until when it waits; none when it is decided.
    pub due: Option<Time>,
    /// Once it is decided.
    pub cause: Cause,
    /// The upstream that it is about, once it is decided.
    upstream: Option<Arc<str>>,
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
            // Of a line that is no failure, what failed is of interest, and not what was made of it.
            error_log::Answer::Status(status) if self.status < 500 && self.answer.is_none() => {
                status >= 500
            }
            error_log::Answer::Status(_) | error_log::Answer::Fails => {
                class.may_give(self.status)
                    // Of an earlier attempt, or before an `error_page` changed it.
                    || self.attempts > 1
                    || self.status < 500
            }
            error_log::Answer::Unharmed => class.cause.is_some() || class.says_words(),
            error_log::Answer::NoAnswer => false,
        };
        fits && self.takes_notes()
    }

    /// Whether both name their connections, and they are two. Of several answers that the kernel half
    /// told of, which are alike, each has the line of any.
    fn is_of_another(&self, note: &Noted) -> bool {
        let differ =
            matches!((self.connection, note.connection), (Some(one), Some(other)) if one != other);
        differ && self.unseen
    }

    /// A log has told of it, and neither of whom nor of what.
    fn is_bare(&self) -> bool {
        self.answer.is_none() && self.key == 0
    }

    /// Whether each message about it is known for one: by the request, as nginx names it there too.
    pub(super) fn is_matched(&self) -> bool {
        let logged = self.logged.as_ref();
        self.key != 0 && (self.answer.is_some() || logged.is_none_or(|logged| logged.as_sent))
    }

    /// A message is about it. Words that no class knows come beside what can be said of it.
    fn count_note(&mut self, note: &Noted) {
        self.noted += usize::from(!note.class.says_words());
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
            whole: request.is_some_and(|request| !request.cut),
            client: client.cloned(),
            connection: logged.as_ref().and_then(|logged| logged.connection),
            unread: of_answer.is_some_and(|answer| answer.status.is_none() && !answer.cut),
            unseen: of_answer.is_none(),
            asked: of_answer.and_then(|answer| same::asks(answer)),
            unlogged: logged.is_none(),
            answer,
            logged,
            notes: Vec::new(),
            due: None,
            cause: Cause::Unknown,
            upstream: None,
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

    /// How long an answer of that time waits for what other sources say of it.
    pub(super) fn wait_of(time: Time, now: Time) -> Duration {
        if now.since(time) > LATE {
            WAIT_LATE
        } else {
            WAIT
        }
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

    /// Notes which upstream it is about.
    pub(super) fn is_about(&mut self, id: u64, upstream: Option<&str>) {
        if let Some(one) = self.all.get_mut(&id) {
            one.upstream = upstream.map(Arc::from);
        }
    }

    /// The upstream that it is about, once it is decided.
    pub(super) fn upstream(&self, id: u64) -> Option<Arc<str>> {
        self.all.get(&id).and_then(|one| one.upstream.clone())
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
}

//! Failed answers that the kernel half saw, and the log lines that tell of the same ones.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use super::{Cause, Correlator, Evidenced, summary};
use crate::{
    clock::Time,
    errnos::Failure,
    facts::{Dropped, Instance},
    requests::{Answer, Origin},
};

/// A log tells of an answer at most this long after it was sent: a buffered one is written when
/// its buffer is full or its `flush=` is over.
const LOGGED_WITHIN: Duration = Duration::from_mins(1);
/// Answers of the same second and status are kept together, so this many seconds are kept.
const MAX_KEPT: usize = 64;

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

/// Answers of one cause that were sent within a second from then.
type Batch = (Time, Cause, u64);

/// Answers whose log lines are still to come.
#[derive(Default)]
pub(super) struct Expected {
    by_status: HashMap<(Instance, u16), VecDeque<Batch>>,
}

impl Expected {
    fn add(&mut self, time: Time, instance: &Instance, status: u16, cause: Cause) {
        let kept = self
            .by_status
            .entry((instance.clone(), status))
            .or_default();
        while let Some((since, ..)) = kept.front()
            && (kept.len() >= MAX_KEPT || time.since(*since) > LOGGED_WITHIN)
        {
            kept.pop_front();
        }
        match kept.back_mut() {
            Some((since, last, count))
                if *last == cause && time.since(*since) < Duration::from_secs(1) =>
            {
                *count += 1;
            }
            _ => kept.push_back((time, cause, 1)),
        }
    }

    /// Takes up to `count` answers off, the oldest first; gives them by cause.
    fn take(&mut self, time: Time, instance: &Instance, status: u16, count: u64) -> Taken {
        let mut taken = Taken::default();
        let Some(kept) = self.by_status.get_mut(&(instance.clone(), status)) else {
            return taken;
        };
        while taken.total < count
            && let Some((since, cause, there)) = kept.front_mut()
        {
            if time.since(*since) > LOGGED_WITHIN {
                kept.pop_front();
                continue;
            }
            let more = (*there).min(count - taken.total);
            *taken.by_cause.entry(*cause).or_default() += more;
            taken.total += more;
            *there -= more;
            if *there == 0 {
                kept.pop_front();
            }
        }
        taken
    }
}

#[derive(Default)]
struct Taken {
    total: u64,
    by_cause: BTreeMap<Cause, u64>,
}

impl Correlator {
    pub(super) fn answer(&mut self, time: Time, instance: &Instance, answer: Box<Answer>) {
        let Some(cause) = cause_of(&answer) else {
            return;
        };
        let Some(code) = answer.status else {
            // What the client got is in the log alone, which counts it.
            let theirs = answer.attempts.last().and_then(|last| last.status());
            if let Some(status) = answer.made.or(theirs) {
                self.unseen.add(time, instance, status, cause);
            }
            return;
        };
        if code >= 500 {
            self.seen.add(time, instance, code, cause);
        }
        self.hold(time, instance, (answer, code, cause));
    }

    /// Counts what a log tells of, less what was counted when it was sent; gives what nothing
    /// explains.
    pub(super) fn logged(
        &mut self,
        time: Time,
        instance: &Instance,
        codes: &BTreeMap<u16, u64>,
    ) -> BTreeMap<u16, u64> {
        let mut unexplained = BTreeMap::new();
        for (code, count) in codes {
            let seen = self.seen.take(time, instance, *code, *count).total;
            let told = self.unseen.take(time, instance, *code, count - seen);
            for (cause, count) in told.by_cause {
                self.failed(instance, *code, cause, count);
                let new = Evidenced {
                    pieces: vec![summary::of_logged(*code, count)],
                    responses: BTreeMap::from([(*code, count)]),
                    ..Evidenced::default()
                };
                self.evidence(time, instance, cause, new);
            }
            let rest = count - seen - told.total;
            if rest > 0 {
                self.failed(instance, *code, Cause::Unknown, rest);
                unexplained.insert(*code, rest);
            }
        }
        unexplained
    }

    pub(super) fn call_failed(&mut self, time: Time, instance: &Instance, failure: &Failure) {
        let cause = match (failure.call, failure.errno) {
            ("accept4" | "accept", "EMFILE" | "ENFILE") => Cause::FdExhaustion,
            ("accept4" | "accept", "ENOMEM" | "ENOBUFS") => Cause::MemoryExhaustion,
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

/// What system calls and nginx's own functions prove of an answer; nothing when it is no failure at
/// all.
fn cause_of(answer: &Answer) -> Option<Cause> {
    let origin = answer.origin();
    let said = answer.explained().and_then(|message| message.class.cause);
    Some(match origin {
        Origin::Saved => return None,
        // An upstream's answer that nginx refused, or of which it made a failure.
        Origin::Upstream | Origin::Intercepted => match (said, origin) {
            (Some(Cause::AuthRequest | Cause::LuaError | Cause::UpstreamClosed), _) => said?,
            (_, Origin::Upstream) => Cause::UpstreamResponse,
            _ => Cause::UpstreamIntercepted,
        },
        Origin::Unseen => Cause::UpstreamResponse,
        Origin::Masked => Cause::UpstreamMasked,
        Origin::Refused => Cause::UpstreamRefused,
        Origin::TimedOut => Cause::UpstreamTimeout,
        Origin::Closed => Cause::UpstreamClosed,
        Origin::Own => match (answer.failed, said) {
            (Some((_, "EMFILE" | "ENFILE")), _) => Cause::FdExhaustion,
            (Some((_, "ENOSPC" | "EDQUOT" | "EROFS")), _) => Cause::DiskFull,
            (Some((_, "ENOMEM" | "ENOBUFS")), _) => Cause::MemoryExhaustion,
            (_, Some(cause)) => cause,
            (Some((_, "EACCES" | "EPERM")), None) => Cause::PermissionDenied,
            _ => Cause::Unknown,
        },
    })
}

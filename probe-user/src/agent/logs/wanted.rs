//! Requests of which a message says that something failed: their lines are of interest whatever the
//! client was sent.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    clock::Time,
    error_log::Answer,
    facts::{Instance, Logged, Noted},
    requests::RequestLine,
};

/// A line comes at most this long after the message: as long as an answer that was begun may last.
const WITHIN: Duration = Duration::from_mins(10);
/// Requests that are waited for at once; of more the oldest are given up.
const MAX_WANTED: usize = 1024;

/// Requests whose lines are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    by_request: HashMap<(Instance, RequestLine), u32>,
    order: VecDeque<(Time, Instance, RequestLine)>,
}

impl Wanted {
    /// Wants the line of the request that a message is about, when it says that the answer failed or
    /// was cut.
    pub(super) fn add(&mut self, instance: &Instance, note: &Noted, now: Time) {
        let fails = matches!(note.class.answer, Answer::Status(500..) | Answer::Fails);
        let Some(request) = note.request.as_ref().filter(|_| fails) else {
            return;
        };
        let of = (instance.clone(), request.clone());
        *self.by_request.entry(of).or_default() += 1;
        self.order
            .push_back((now, instance.clone(), request.clone()));
        while let Some((time, ..)) = self.order.front()
            && (self.order.len() > MAX_WANTED || now.since(*time) > WITHIN)
            && let Some((_, instance, request)) = self.order.pop_front()
        {
            self.forget(&(instance, request));
        }
    }

    /// Whether there is none, which is nearly always.
    pub(super) fn is_empty(&self) -> bool {
        self.by_request.is_empty()
    }

    /// Whether a line is wanted; if so it is not any more.
    pub(super) fn take(&mut self, instance: &Instance, logged: &Logged) -> bool {
        let Some(request) = &logged.request else {
            return false;
        };
        self.forget(&(instance.clone(), request.clone()))
    }

    fn forget(&mut self, of: &(Instance, RequestLine)) -> bool {
        let Some(count) = self.by_request.get_mut(of) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.by_request.remove(of);
        }
        true
    }
}

//! Requests of which a message says that something failed: their lines are of interest whatever the
//! client was sent.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    clock::Time,
    correlator::Cause,
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
    /// With the connections and clients that the messages name.
    by_request: HashMap<(Instance, RequestLine), Vec<Of>>,
    order: VecDeque<(Time, Instance, RequestLine)>,
}

/// A connection's number, and the client's address.
type Of = (Option<u64>, Option<String>);

impl Wanted {
    /// Wants the line of the request that a message is about, when it says that an upstream's answer
    /// was cut; `alone` when nothing else tells of requests, so that one that failed is of interest
    /// too.
    pub(super) fn add(&mut self, instance: &Instance, note: &Noted, now: Time, alone: bool) {
        let upstreams = [Cause::UpstreamClosed, Cause::UpstreamTimeout].map(Some);
        let cut = note.class.cuts() && upstreams.contains(&note.class.cause);
        let fails = match note.class.answer {
            Answer::Fails => alone || cut,
            Answer::Status(500..) => alone,
            _ => false,
        };
        let Some(request) = note.request.as_ref().filter(|_| fails) else {
            return;
        };
        let of = (instance.clone(), request.clone());
        let named = (note.connection, note.client.clone());
        self.by_request.entry(of).or_default().push(named);
        self.order
            .push_back((now, instance.clone(), request.clone()));
        while let Some((time, ..)) = self.order.front()
            && (self.order.len() > MAX_WANTED || now.since(*time) > WITHIN)
            && let Some((_, instance, request)) = self.order.pop_front()
        {
            self.forget(&(instance, request), |_| true);
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
        let same = |(connection, client): &Of| {
            let other = match (connection, logged.connection) {
                (Some(one), Some(other)) => *one != other,
                _ => client.is_some() && logged.client.is_some() && *client != logged.client,
            };
            !other
        };
        self.forget(&(instance.clone(), request.clone()), same)
    }

    fn forget(&mut self, of: &(Instance, RequestLine), is_it: impl Fn(&Of) -> bool) -> bool {
        let Some(named) = self.by_request.get_mut(of) else {
            return false;
        };
        let Some(at) = named.iter().position(is_it) else {
            return false;
        };
        named.remove(at);
        if named.is_empty() {
            self.by_request.remove(of);
        }
        true
    }
}

//! Listen queues without room, and workers that hang.

use std::collections::BTreeMap;

use super::{Cause, Correlator, Evidence, Incident, incident::Evidenced, key::Key, summary::seen};
use crate::{
    clock::Time,
    facts::Instance,
    hang::{How, Hung, Returned},
    listen_queue::Overflow,
    requests::LostRequest,
};

/// Requests of a hung worker that are named, by method and path.
const MAX_NAMED: usize = 3;
/// Begins what counts drops.
const DROPPED: &str = "tries to connect to ";
/// Marks what ends a hang.
const RETURNED: &str = " after it had not for ";

impl Correlator {
    pub(super) fn overflow(&mut self, time: Time, instance: &Instance, overflow: &Overflow) {
        let evidence = of_overflow(overflow);
        self.evidence(time, instance, Cause::BacklogOverflow, evidence);
    }

    pub(super) fn hung(&mut self, time: Time, instance: &Instance, hung: &Hung) {
        let new = Evidenced {
            pieces: of_hung(hung),
            ..Evidenced::default()
        };
        self.evidence(time, instance, Cause::WorkerHung, new);
        let key = Key::of(instance, Cause::WorkerHung);
        if let Some(run) = self.open.get_mut(&key) {
            run.lasting.insert(hung.pid);
        }
    }

    pub(super) fn returned(&mut self, time: Time, instance: &Instance, returned: &Returned) {
        let key = Key::of(instance, Cause::WorkerHung);
        if let Some(run) = self.open.get_mut(&key) {
            run.lasting.remove(&returned.pid);
            run.add(time, vec![of_return(returned)].into());
        }
    }
}

/// What does not change while it lasts comes first: the same text is counted, not repeated.
fn of_overflow(overflow: &Overflow) -> Vec<Evidence> {
    let listener = &overflow.listener;
    let mut evidence = Vec::new();
    if overflow.dropped > 0 {
        let what = format!(
            "{DROPPED}{} were dropped: its listen queue of {} overflowed",
            listener.name, listener.limit
        );
        evidence.push(seen("listen_queue", what));
    }
    if let Some(dropped) = evidence.first_mut() {
        dropped.count = overflow.dropped;
    }
    if listener.length > listener.limit {
        let what = format!(
            "listen queue of {} seen full: {} wait, {} may",
            listener.name, listener.length, listener.limit
        );
        evidence.push(seen("listen_queue", what));
    }
    if evidence.is_empty() {
        let what = format!(
            "listen queue of one socket of {} seen full: {} may wait",
            listener.name, listener.limit
        );
        evidence.push(seen("listen_queue", what));
    }
    evidence
}

fn of_hung(hung: &Hung) -> Vec<Evidence> {
    let worker = if hung.draining {
        "draining worker"
    } else {
        "worker"
    };
    let how = match hung.how {
        How::Spinning => "it spins".to_owned(),
        How::Starved => "it is ready to run and given no processor".to_owned(),
        How::Stopped => "it is stopped by a signal".to_owned(),
        How::Blocked => match (&hung.call, &hung.file) {
            (Some(call), Some(file)) => format!("it is blocked in {call} of {file}"),
            (Some(call), None) => format!("it is blocked in {call}"),
            (None, _) => "it is blocked in the kernel, in no call".to_owned(),
        },
    };
    let stack = if hung.stack.is_empty() {
        String::new()
    } else {
        format!(", kernel stack {}", hung.stack.join(" < "))
    };
    let what = format!(
        "{worker} {} has not returned to its event loop for {} s: {how} (state {}, {} % of a \
         processor{stack})",
        hung.pid,
        hung.lasted.as_secs(),
        hung.state,
        hung.cpu_percent,
    );
    let mut evidence = vec![seen("hang", what)];
    let mut requests: BTreeMap<String, u64> = BTreeMap::new();
    for request in &hung.requests {
        *requests.entry(line(request)).or_default() += 1;
    }
    let mut requests: Vec<_> = requests.into_iter().collect();
    requests.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (line, count) in requests.into_iter().take(MAX_NAMED) {
        let mut piece = seen(
            "requests",
            format!("{line} in flight in worker {}", hung.pid),
        );
        piece.count = count;
        evidence.push(piece);
    }
    evidence
}

fn line(request: &LostRequest) -> String {
    match (&request.method, &request.path) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        _ => "a request".to_owned(),
    }
}

fn of_return(returned: &Returned) -> Evidence {
    let what = if returned.ended {
        "ended"
    } else {
        "returned to its event loop"
    };
    let what = format!(
        "worker {} {what}{RETURNED}{} s",
        returned.pid,
        returned.lasted.as_secs()
    );
    seen("hang", what)
}

/// The one line of an incident.
pub(super) fn of_hangs(incident: &Incident) -> String {
    let mut hangs = incident
        .evidence
        .iter()
        .filter(|piece| piece.source == "hang" && !piece.what.contains(RETURNED));
    match (hangs.next(), hangs.count()) {
        (Some(first), 0) => first.what.clone(),
        (Some(first), more) => format!("{} workers hang: {}, and others", more + 1, first.what),
        (None, _) => "a worker hangs".to_owned(),
    }
}

/// The one line of an incident.
pub(super) fn of_overflows(incident: &Incident) -> String {
    let mut pieces = incident.evidence.iter();
    let dropped = pieces.clone().find(|piece| piece.what.starts_with(DROPPED));
    match dropped {
        Some(piece) => format!("{} {}", piece.count, piece.what),
        None => pieces.next().map_or_else(
            || "a listen queue is full".to_owned(),
            |piece| piece.what.clone(),
        ),
    }
}

//! Messages of the error log that came before the answers that they are about.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    clock::Time,
    facts::{Instance, Noted},
};

use super::cases::key;

/// A message comes at most this long before its answer: as long as nginx may try other upstreams.
const BEFORE: Duration = Duration::from_mins(1);
/// A message that names no request that is known is about an answer of the same moment.
const RECENT: Duration = Duration::from_secs(2);
/// Messages that are kept.
const MAX_KEPT: usize = 4_096;
/// Messages whose times are remembered, taken ones among them.
const MAX_ORDER: usize = 4 * MAX_KEPT;

/// Messages about one request, oldest first.
type Kept = VecDeque<(Time, Noted)>;

/// Messages, by the request that they are about.
#[derive(Default)]
pub(super) struct Notes {
    by_request: HashMap<(Instance, u64), Kept>,
    order: VecDeque<(Time, Instance, u64)>,
    kept: usize,
}

impl Notes {
    /// How many are remembered, those that were taken among them.
    pub(super) fn extent(&self) -> usize {
        self.order.len()
    }

    /// Keeps one.
    pub(super) fn keep(&mut self, time: Time, instance: &Instance, note: Noted) {
        let key = key(note.request.as_ref());
        self.order.push_back((time, instance.clone(), key));
        let kept = self.by_request.entry((instance.clone(), key)).or_default();
        kept.push_back((time, note));
        self.kept += 1;
    }

    /// Takes the oldest that is wanted.
    pub(super) fn take(
        &mut self,
        instance: &Instance,
        key: u64,
        now: Time,
        wanted: impl Fn(Time, &Noted) -> bool,
    ) -> Option<Noted> {
        let of = (instance.clone(), key);
        let kept = self.by_request.get_mut(&of)?;
        let fits = |(time, note): &(Time, Noted)| now.since(*time) <= BEFORE && wanted(*time, note);
        let at = kept.iter().take(MAX_LOOKS).position(fits)?;
        let (_, note) = kept.remove(at)?;
        self.kept -= 1;
        if kept.is_empty() {
            self.by_request.remove(&of);
        }
        Some(note)
    }

    /// Takes the oldest of a moment ago that is wanted, whatever it is about.
    pub(super) fn take_any(
        &mut self,
        instance: &Instance,
        now: Time,
        wanted: impl Fn(Time, &Noted) -> bool,
    ) -> Option<Noted> {
        let recent = |(time, ..): &&(Time, Instance, u64)| now.since(*time) <= RECENT;
        let keys: Vec<u64> = (self.order.iter().rev())
            .take_while(recent)
            .take(MAX_LOOKS)
            .filter(|(_, of, _)| of == instance)
            .map(|(_, _, key)| *key)
            .collect();
        keys.into_iter()
            .rev()
            .find_map(|key| self.take(instance, key, now, &wanted))
    }

    /// Forgets those that are about no answer any more, and the oldest of too many.
    pub(super) fn expire(&mut self, now: Time) {
        while let Some((time, instance, key)) = self.order.front() {
            let few = self.kept <= MAX_KEPT && self.order.len() <= MAX_ORDER;
            if few && now.since(*time) <= BEFORE {
                break;
            }
            let (time, of) = (*time, (instance.clone(), *key));
            self.order.pop_front();
            // It may have been taken.
            let Some(kept) = self.by_request.get_mut(&of) else {
                continue;
            };
            if kept.front().is_some_and(|(first, _)| *first <= time) {
                kept.pop_front();
                self.kept -= 1;
            }
            if kept.is_empty() {
                self.by_request.remove(&of);
            }
        }
    }
}

/// Messages about the same request that are looked at.
const MAX_LOOKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_log::{Level, OTHER};

    #[test]
    fn messages_that_are_taken_or_never_asked_for_take_bounded_room() {
        let instance: Instance = "/run/nginx.pid".into();
        let note = Noted {
            class: &OTHER,
            level: Level::Error,
            errno: None,
            pid: 1,
            connection: None,
            request: None,
            client: None,
            upstream: None,
            file: None,
            subrequest: None,
            words: None,
            rule: None,
        };
        for taken in [true, false] {
            let mut notes = Notes::default();
            for n in 0..100_000 {
                let time = Time(n);
                notes.keep(time, &instance, note.clone());
                if taken {
                    assert!(notes.take(&instance, 0, time, |_, _| true).is_some());
                }
                notes.expire(time);
            }
            assert!(notes.order.len() <= MAX_ORDER && notes.kept <= MAX_KEPT);
            let there: usize = notes.by_request.values().map(VecDeque::len).sum();
            assert_eq!(there, notes.kept);
        }
    }
}

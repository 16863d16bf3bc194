//! Room for answers: it is bounded, whatever comes and whoever never asks for them.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use super::{Case, Cases, LOGGED_WITHIN, MAX_CASES};
use crate::clock::Time;

/// So many answers may begin between two sweeps of the queues.
const SWEEP_EVERY: usize = 4 * MAX_CASES;

impl Cases {
    /// Lets go of those of which nothing more can come, and of the oldest of too many; gives one that
    /// must be decided before.
    pub(in super::super) fn shrink(&mut self, now: Time) -> Option<u64> {
        while let Some(id) = self.order.front() {
            let id = *id;
            let Some(case) = self.all.get(&id) else {
                self.order.pop_front();
                continue;
            };
            let old = now.since(case.time) > LOGGED_WITHIN;
            if !old && self.all.len() <= MAX_CASES {
                break;
            }
            if case.due.is_some() {
                return Some(id);
            }
            self.order.pop_front();
            if let Some(case) = self.all.remove(&id)
                && case.unlogged
                && !old
            {
                self.spilled
                    .add(case.time, &case.instance, case.status, case.cause);
            }
        }
        if self.unswept > SWEEP_EVERY {
            self.unswept = 0;
            sweep(&mut self.by_request, &self.all);
            sweep(&mut self.by_client, &self.all);
            sweep(&mut self.by_note, &self.all);
            sweep(&mut self.by_status, &self.all);
        }
        None
    }
}

/// Removes what is forgotten from queues that nobody may ever look into.
fn sweep<K: Eq + Hash>(queues: &mut HashMap<K, VecDeque<u64>>, all: &HashMap<u64, Case>) {
    queues.retain(|_, ids| {
        ids.retain(|id| all.contains_key(id));
        !ids.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access_log::how::How,
        correlator::Cause,
        facts::{Instance, Logged},
    };

    /// Ids in queues of one kind.
    fn queued<K>(queues: &HashMap<K, VecDeque<u64>>) -> usize {
        queues.values().map(VecDeque::len).sum()
    }

    #[test]
    fn answers_that_nobody_asks_for_take_bounded_room() {
        let instance: Instance = "/run/nginx.pid".into();
        let mut cases = Cases::default();
        for second in 0..200_000 {
            // As the kernel half's are: their lines never come.
            let logged = Box::new(Logged::several(500, How::Untold, 1));
            let id = cases.begin((Time(second), &instance), (None, Some(logged)), 500);
            if let Some(case) = cases.all.get_mut(&id) {
                case.unlogged = true;
            }
            let status = (instance.clone(), 500);
            cases.by_status.entry(status).or_default().push_back(id);
            cases.decide(id, Cause::Unknown, true);
            assert_eq!(cases.shrink(Time(second)), None);
        }
        assert!(cases.all.len() <= MAX_CASES, "{}", cases.all.len());
        let most = SWEEP_EVERY + MAX_CASES + 1;
        let queues = [&cases.by_client, &cases.by_note].map(queued);
        for queued in queues.into_iter().chain([queued(&cases.by_status)]) {
            assert!(queued > 0 && queued <= most, "{queued}");
        }
    }
}

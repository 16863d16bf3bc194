//! Failed answers of which only the count is kept, whose log lines are still to come.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use super::{Cause, cases::LOGGED_WITHIN};
use crate::{clock::Time, facts::Instance};

/// Answers of the same second and status are kept together, so this many seconds are kept.
const MAX_KEPT: usize = 600;

/// Answers of one cause that were sent within a second from then.
type Batch = (Time, Cause, u64);

/// Answers whose log lines are still to come.
#[derive(Default)]
pub(super) struct Expected {
    by_status: HashMap<(Instance, u16), VecDeque<Batch>>,
}

impl Expected {
    pub(super) fn add(&mut self, time: Time, instance: &Instance, status: u16, cause: Cause) {
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
    pub(super) fn take(
        &mut self,
        time: Time,
        instance: &Instance,
        status: u16,
        count: u64,
    ) -> BTreeMap<Cause, u64> {
        let mut taken = BTreeMap::new();
        let Some(kept) = self.by_status.get_mut(&(instance.clone(), status)) else {
            return taken;
        };
        let mut left = count;
        while left > 0
            && let Some((since, cause, there)) = kept.front_mut()
        {
            if time.since(*since) > LOGGED_WITHIN {
                kept.pop_front();
                continue;
            }
            let more = (*there).min(left);
            *taken.entry(*cause).or_default() += more;
            left -= more;
            *there -= more;
            if *there == 0 {
                kept.pop_front();
            }
        }
        taken
    }
}

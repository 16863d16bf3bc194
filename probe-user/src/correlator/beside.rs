//! Failed responses that nothing explains, near the death of a worker: they stand beside it as
//! evidence, without being counted twice.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use super::{Cause, Correlator, MAX_OPEN, apart, key::Key};
use crate::{clock::Time, facts::Instance};

/// Responses are put beside a death when they are logged this close to it.
const BESIDE: Duration = Duration::from_secs(2);
/// Responses this close to each other are kept together.
const TOGETHER: Duration = Duration::from_millis(100);
/// Batches that are remembered of each instance: more than [`BESIDE`].
const MAX_BATCHES: usize = 64;

/// Failed responses of one moment, by status.
type Batch = (Time, BTreeMap<u16, u64>);

/// Failed responses of the last moments, by instance.
#[derive(Default)]
pub(super) struct Recent {
    by_instance: HashMap<Instance, VecDeque<Batch>>,
}

impl Recent {
    #[cfg(test)]
    pub(super) fn instances(&self) -> usize {
        self.by_instance.len()
    }

    pub(super) fn forget(&mut self, instance: &Instance) {
        self.by_instance.remove(instance);
    }

    fn add(&mut self, time: Time, instance: &Instance, code: u16, count: u64) {
        if self.by_instance.len() >= MAX_OPEN && !self.by_instance.contains_key(instance) {
            return;
        }
        let batches = self.by_instance.entry(instance.clone()).or_default();
        match batches.back_mut() {
            Some((since, codes)) if apart(time, *since) < TOGETHER => {
                *codes.entry(code).or_default() += count;
            }
            _ => {
                if batches.len() >= MAX_BATCHES {
                    batches.pop_front();
                }
                batches.push_back((time, BTreeMap::from([(code, count)])));
            }
        }
    }
}

impl Correlator {
    /// Nothing explains so many responses.
    pub(super) fn unexplained(&mut self, time: Time, instance: &Instance, code: u16, count: u64) {
        for (key, run) in &mut self.open {
            let near = |death| apart(time, death) <= BESIDE;
            if key.instance == *instance && run.last_death.is_some_and(near) {
                run.beside(time, &BTreeMap::from([(code, count)]));
            }
        }
        self.recent.add(time, instance, code, count);
    }

    /// Puts what failed just before a death beside it.
    pub(super) fn put_beside(&mut self, time: Time, instance: &Instance, cause: Cause) {
        let Some(run) = self.open.get_mut(&Key::of(instance, cause)) else {
            return;
        };
        let since = run.last_death.replace(time);
        let batches = self.recent.by_instance.get(instance).into_iter().flatten();
        for (logged, failed) in batches {
            // What stood beside the death before is not put there again.
            let seen = since.is_some_and(|death| apart(*logged, death) <= BESIDE);
            if !seen && apart(time, *logged) <= BESIDE {
                run.beside(*logged, failed);
            }
        }
    }
}

//! Instances that are gone: their series are shown for a while, so that the last increase is seen,
//! and then end. Every restart of a container may be an instance of its own.

use std::{collections::HashMap, time::Duration};

use super::Agent;
use crate::{
    clock::Time,
    facts::{Event, Fact, Instance},
};

/// How long the series of an instance are shown after its last process is gone.
const KEEP: Duration = Duration::from_mins(10);
/// Instances that are gone and shown. Each has more than a hundred series; where more come and go
/// within ten minutes, those that went first end first.
const MAX_KEPT: usize = 64;
/// Among those that are too many, one that went this long ago at least is ended: a scrape comes
/// once a minute or more often.
const SCRAPED: Duration = Duration::from_mins(1);
/// And this many are never exceeded.
const MAX_EVER: usize = 128;

/// Since when instances are gone.
#[derive(Debug, Default)]
pub(crate) struct Gone(HashMap<Instance, Time>);

impl Gone {
    /// The last process of an instance is gone.
    pub(crate) fn add(&mut self, instance: Instance, now: Time) {
        self.0.insert(instance, now);
    }

    /// An instance has no process; it may be known for longer that it is gone.
    fn begin(&mut self, instance: Instance, now: Time) {
        self.0.entry(instance).or_insert(now);
    }

    /// It is there again.
    pub(super) fn remove(&mut self, instance: &Instance) {
        self.0.remove(instance);
    }

    /// Takes those that are to be shown no longer; what is `busy` stays as long as there is room.
    pub(crate) fn take_old(
        &mut self,
        now: Time,
        busy: impl Fn(&Instance) -> bool,
    ) -> Vec<Instance> {
        let mut oldest: Vec<_> = self.0.iter().map(|(one, since)| (*since, one)).collect();
        oldest.sort_unstable();
        let count = oldest.len();
        let is_over = |(at, (since, instance)): (usize, (Time, &Instance))| {
            let (left, age) = (count - at, now.since(since));
            let old = age >= KEEP || (left > MAX_KEPT && age >= SCRAPED);
            (left > MAX_EVER || (old && !busy(instance))).then(|| instance.clone())
        };
        let over: Vec<_> = oldest.into_iter().enumerate().filter_map(is_over).collect();
        for instance in &over {
            self.0.remove(instance);
        }
        over
    }
}

impl Agent {
    /// Ends the series of instances that are long gone.
    pub(super) fn forget_gone(&mut self) {
        let now = Time::now();
        // What came late, of one that was forgotten, has begun its series again.
        for instance in self.metrics.instances() {
            if !self.counted.contains(&*instance) {
                self.gone.begin(instance.into(), now);
            }
        }
        let (logs, correlator) = (self.logs.as_ref(), &self.correlator);
        // Its next line would bring the series back, and an alert is to see an incident that lasts.
        let busy = |instance: &Instance| {
            logs.is_some_and(|logs| logs.reads(instance)) || correlator.has_open(instance)
        };
        for instance in self.gone.take_old(now, busy) {
            self.forget(&instance);
        }
    }

    /// Ends the series of those that went first, where too many are shown.
    pub(super) fn forget_oldest(&mut self) {
        if self.gone.0.len() > MAX_KEPT {
            self.forget_gone();
        }
    }

    fn forget(&mut self, instance: &Instance) {
        self.fleet.forget_instance(instance);
        if let Some(counters) = &mut self.counters {
            counters.forget(instance);
        }
        self.fact(Fact {
            time: Time::now(),
            instance: instance.clone(),
            event: Event::Forgotten,
        });
        // Last: what was said of it before is counted.
        self.metrics.forget(instance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_that_come_and_go_are_shown_for_a_while_in_bounded_number() {
        let mut gone = Gone::default();
        let at = |second: u64| Time(second * 1_000_000);
        for second in 0..2_000_u64 {
            gone.add(format!("{second}").into(), at(second));
            gone.take_old(at(second), |_| false);
            assert!(gone.0.len() <= MAX_KEPT, "{}", gone.0.len());
        }
        for number in 0..2_000_u64 {
            gone.add(format!("burst {number}").into(), at(2_000));
            gone.take_old(at(2_000), |_| true);
            assert!(gone.0.len() <= MAX_EVER);
        }
        let mut few = Gone::default();
        few.add("read".into(), at(0));
        few.add("quiet".into(), at(0));
        assert!(few.take_old(at(599), |_| false).is_empty());
        let ended = few.take_old(at(600), |one| **one == *"read");
        assert_eq!(ended, [Instance::from("quiet")]);
    }
}

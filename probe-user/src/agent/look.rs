//! What the agent looks at once in a while: losses, what is missing, how many workers there are.

use nginx_probe_ebpf::record::Kind;

use super::{Agent, logs::Logs, sample, shortages::Shortages, thresholds};
use crate::{
    clock::Time,
    facts::{Event, Fact},
    fleet::Counts,
    kernel::Kernel,
    source::Stem,
};

/// Looks between two clean-ups of what is kept for speed.
const LOOKS_PER_SWEEP: u32 = 30;

impl Agent {
    /// What changes slowly, once a second.
    pub(super) fn look(&mut self) {
        #[cfg(feature = "debug-log")]
        self.fleet.kernel_mut().show_messages();
        self.count_lost();
        self.fleet.find_selected();
        self.say_missing();
        if self.logs.as_mut().is_some_and(Logs::look) {
            self.masters_changed();
        }
        self.say_watched(false);
        if let Some(counters) = &mut self.counters {
            counters.look(&self.fleet);
        }
        self.traffic.look(&mut self.fleet);
        self.look_at_messages();
        if let Some(shortages) = &mut self.shortages {
            shortages.look(&self.fleet);
        }
        self.look_for_stalls();
        self.look_for_backends();
        if let Some(sources_down) = &mut self.sources_down
            && self.fleet.masters().next().is_some()
        {
            sources_down.look(&self.metrics);
        }
        self.correlator.flush();
        if sample::is_due(self.looks) {
            self.sample();
        }
        if thresholds::is_due(self.looks) {
            self.look_at_thresholds();
        }
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_PER_SWEEP) {
            self.fleet.forget_idle();
            self.forget_idle_backends();
            self.forget_gone();
            self.metrics.set_kernel_memory(Kernel::memory_bytes());
        }
        if self.fleet.kernel().loaded().is_none() {
            if let Err(error) = self.fleet.look_again() {
                log::warn!("cannot read /proc: {error}");
            }
            self.settle();
        }
    }

    /// What workers had for their error logs; often, where that alone tells of what has run out.
    pub(super) fn look_at_messages(&mut self) {
        if let Some(error_path) = &mut self.error_path {
            let (logs, shortages) = (self.logs.as_ref(), self.shortages.as_mut());
            error_path.look(&mut self.fleet, logs, shortages);
        }
        let facts = self.shortages.as_mut().map(Shortages::take_facts);
        for fact in facts.unwrap_or_default() {
            self.fact(fact);
        }
    }

    pub(super) fn count_lost(&mut self) {
        let Some(kernel) = self.fleet.kernel().loaded() else {
            return;
        };
        let lost = kernel.lost();
        let (mut more, mut of_processes) = (0, 0);
        for ((kind, now), before) in Kind::ALL.into_iter().zip(lost).zip(self.lost) {
            let new = now.saturating_sub(before);
            if new > 0 {
                self.metrics.lost(kind, new);
            }
            if matches!(kind, Kind::Fork | Kind::Exec | Kind::Exit) {
                of_processes += new;
            }
            more += new;
        }
        self.lost = lost;
        if more > 0 {
            log::warn!("{more} records of the kernel side were lost");
            if of_processes > 0 {
                let gone = self.fleet.reconcile();
                log::warn!("births or deaths are among them; {gone} processes ended unseen");
                if let Err(error) = self.fleet.scan() {
                    log::warn!("cannot read /proc: {error}");
                }
            }
            let event = Event::Lost(more);
            self.fact(Fact {
                time: Time::now(),
                instance: "".into(),
                event,
            });
        }
    }

    /// Says once what was asked for and is not there; the agent goes on waiting for it.
    pub(super) fn say_missing(&mut self) {
        let mut missing = self.selection.missing(self.fleet.proc(), &self.names);
        if self.selection.is_all() && self.fleet.masters().next().is_none() {
            missing.push(match self.fleet.orphans() {
                0 => "no nginx is running on this host".to_owned(),
                orphans => format!(
                    "no nginx master is running on this host, but {orphans} of its workers are: \
                     nothing replaces or reloads them"
                ),
            });
        }
        for what in &mut missing {
            what.push_str("; waiting for one to start");
        }
        missing.extend(self.fleet.singles());
        for what in &missing {
            if !self.said_missing.contains(what) {
                log::warn!("{what}");
            }
        }
        self.said_missing = missing;
    }

    pub(super) fn count_workers(&mut self) {
        let mut gone = std::mem::take(&mut self.counted);
        for (instance, counts) in self.fleet.counts() {
            self.metrics.set_workers(&instance, counts);
            gone.remove(&instance);
            self.gone.remove(&instance);
            self.counted.insert(instance);
        }
        for instance in gone {
            self.metrics.set_workers(&instance, Counts::default());
            // Nothing asks for workers any more: none of them is missing.
            self.metrics.set_configured(&instance, 0);
            self.gone.add(instance, Time::now());
        }
        self.forget_oldest();
    }

    /// A master came, went, or read its configuration again.
    pub(super) fn masters_changed(&mut self) {
        if let Some(logs) = &mut self.logs {
            logs.follow(self.fleet.masters());
        }
        if let Some(error_path) = &mut self.error_path {
            error_path.follow(&mut self.fleet);
        }
        self.backends.follow(&self.fleet);
        self.say_watched(true);
        let whole = self.fleet.configs_are_whole();
        self.metrics.set_source(Stem::Config, whole);
        for (_, instance, config) in self.fleet.masters() {
            if let Some(count) = config.and_then(sample::workers_of) {
                self.metrics.set_configured(instance, count);
            }
        }
    }
}

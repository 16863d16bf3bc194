//! The programs behind each nginx: when to look for them, and what came of it.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use nginx_probe_ebpf::record::Record as KernelRecord;

use super::{Agent, privileges::IN_NAMESPACES, start::Probes};
use crate::{
    backends::{self, Address, Order, Report, Table, Target, Track, Watcher, of_settings},
    clock::Time,
    facts::{Event, Fact, Instance},
    fleet::Fleet,
    kernel::Kernel,
    requests::{Answer, Origin},
    sinks::metrics::Metrics,
    source::Stem,
};

/// Looks, of one second each, between two at what listens.
const LISTEN_EVERY: u32 = 2;
/// And between two at all processes, when nothing else asks for one.
const ALL_EVERY: u32 = 60;
/// And at least, whatever asks for one.
const ALL_AT_LEAST: u32 = 5;
/// Looks that may follow each other while each finds new processes.
const MAX_IN_A_ROW: u32 = 8;
/// How long the start waits for the first of them.
const FIRST: Duration = Duration::from_millis(250);
/// How long the files of a crash are kept for the next one.
const KEEP_FILES: Duration = Duration::from_mins(1);
/// Addresses of one nginx that are known by answers alone.
const MAX_SEEN: usize = 64;

/// What is looked for.
pub(super) struct Backends {
    metrics: Arc<Metrics>,
    watcher: Option<Watcher>,
    table: Table,
    /// What configurations say, until they change.
    configured: HashMap<Instance, (u32, Vec<Address>)>,
    /// Addresses that answers have named and no configuration does.
    seen: HashMap<Instance, HashSet<Address>>,
    /// What was said that is missing.
    said: HashSet<String>,
    looks: u32,
    /// Looks since the last at all processes.
    since_all: u32,
    in_a_row: u32,
    /// A look at all processes is asked for.
    wanted: bool,
}

impl Backends {
    /// Begins, where the kernel half runs; call it before privileges are given up, some of which the
    /// thread keeps.
    pub(super) fn start(
        proc_root: &Path,
        names: &[String],
        blind: bool,
        metrics: Arc<Metrics>,
    ) -> Self {
        let watcher = (!blind).then(|| backends::start(proc_root, names.to_vec(), IN_NAMESPACES));
        let watcher = match watcher.transpose() {
            Ok(watcher) => watcher,
            Err(error) => {
                log::warn!("without backends: no thread can be started: {error}");
                None
            }
        };
        metrics.set_source(Stem::Backends, watcher.is_some());
        Self {
            metrics,
            watcher,
            table: Table::new(proc_root),
            configured: HashMap::new(),
            seen: HashMap::new(),
            said: HashSet::new(),
            looks: 0,
            since_all: 0,
            in_a_row: 0,
            wanted: true,
        }
    }

    /// Takes a record of the kernel side.
    pub(super) fn record(&mut self, record: &KernelRecord<'_>, fleet: &mut Fleet<Probes>) {
        self.table.record(record, |pid| fleet.kill_of(pid));
        // A program that runs itself anew in a child has processes that only a look finds.
        self.wanted |= matches!(record, KernelRecord::BackendExit(_));
    }

    pub(super) fn take_facts(&mut self) -> Vec<Fact> {
        self.table.take_facts()
    }

    /// Masters came, went, or changed their configuration.
    pub(super) fn follow(&mut self, fleet: &Fleet<Probes>) {
        self.configured = fleet
            .masters()
            .filter_map(|(pid, instance, config)| {
                let addresses = of_settings(&config?.settings);
                Some((instance.clone(), (pid, addresses)))
            })
            .collect();
        let configured = &self.configured;
        self.seen
            .retain(|instance, _| configured.contains_key(instance));
        self.wanted = true;
        self.since_all = self.since_all.max(ALL_AT_LEAST);
    }

    /// An answer that failed may be of a program that no configuration names.
    fn answered(&mut self, instance: &Instance, answer: &Answer) {
        let failed = matches!(
            answer.origin(),
            Origin::Refused | Origin::TimedOut | Origin::Closed
        );
        if let Some(address) = answer.upstream.as_deref().filter(|_| failed)
            && let Some(address) = Address::of_answer(address)
            && let Some((_, known)) = self.configured.get(instance)
            && !known.contains(&address)
        {
            let seen = self.seen.entry(instance.clone()).or_default();
            if seen.len() < MAX_SEEN {
                seen.insert(address);
            }
        }
    }

    /// Looks, about once a second; `wait` is how long it may take until something is seen.
    pub(super) fn look(&mut self, fleet: &mut Fleet<Probes>, wait: Duration) {
        self.take_report(fleet, Duration::ZERO);
        let all = self.is_due();
        self.since_all += 1;
        if all || self.looks.is_multiple_of(LISTEN_EVERY) {
            let order = Order {
                targets: self.targets(),
                all,
            };
            let begun = self.watcher.as_ref().is_some_and(|one| one.look(order));
            if begun && all {
                (self.wanted, self.since_all) = (false, 0);
            }
            if begun && !wait.is_zero() {
                self.take_report(fleet, wait);
            }
        }
        self.looks = self.looks.wrapping_add(1);
    }

    /// At the start: also what the first look has missed.
    pub(super) fn first_look(&mut self, fleet: &mut Fleet<Probes>) {
        for _ in 0..2 {
            self.look(fleet, FIRST);
        }
    }

    fn take_report(&mut self, fleet: &mut Fleet<Probes>, wait: Duration) {
        if let Some(report) = self.watcher.as_ref().and_then(|one| one.report(wait)) {
            self.take(report, fleet);
        }
    }

    fn is_due(&self) -> bool {
        let new = self.in_a_row > 0 && self.in_a_row < MAX_IN_A_ROW;
        new || self.since_all >= ALL_EVERY || (self.wanted && self.since_all >= ALL_AT_LEAST)
    }

    fn take(&mut self, report: Report, fleet: &mut Fleet<Probes>) {
        let mut missing: HashSet<String> = report
            .problems
            .into_iter()
            .map(|(instance, why)| format!("without the backends of {instance}: {why}"))
            .collect();
        self.metrics
            .set_source(Stem::Backends, missing.is_empty() && !report.stranded);
        if report.stranded {
            self.watcher = None;
        }
        if let Some(groups) = report.groups
            && let Some(kernel) = fleet.kernel_mut().loaded_mut()
        {
            let found = self.table.found(groups, &mut Followed(kernel), Time::now());
            self.in_a_row = if found.new > 0 { self.in_a_row + 1 } else { 0 };
            if report.left_out + found.without_room > 0 {
                missing.insert(
                    "some processes behind nginx are not followed: there are too many".to_owned(),
                );
            }
            self.metrics.set_backends(&self.table.counts());
        }
        for what in missing.difference(&self.said) {
            log::warn!("{what}");
        }
        self.said = missing;
    }

    fn targets(&self) -> Vec<Target> {
        let targets = self.configured.iter().map(|(instance, (pid, known))| {
            let seen = self.seen.get(instance).into_iter().flatten();
            Target {
                instance: instance.clone(),
                pid: *pid,
                addresses: known.iter().chain(seen).cloned().collect(),
            }
        });
        targets.collect()
    }
}

/// The kernel half follows them.
struct Followed<'a>(&'a mut Kernel);

impl Track for Followed<'_> {
    fn track(&mut self, pid: u32, group: u32) -> bool {
        self.0.track_backend(pid, group).is_ok()
    }

    fn untrack(&mut self, pid: u32) {
        self.0.untrack_backend(pid);
    }
}

impl Agent {
    /// Looks for the programs behind each nginx, once a second.
    pub(super) fn look_for_backends(&mut self) {
        self.backends.look(&mut self.fleet, Duration::ZERO);
        self.tell_of_backends();
    }

    /// Passes on how they ended.
    pub(super) fn tell_of_backends(&mut self) {
        for fact in self.backends.take_facts() {
            self.fact(fact);
        }
    }

    /// Learns of programs by the answers that failed.
    pub(super) fn learn_backends(&mut self, fact: &Fact) {
        if let Event::Answer(answer) = &fact.event {
            self.backends.answered(&fact.instance, answer);
        }
    }

    /// Frees what was kept to make a run of crashes cheap.
    pub(super) fn forget_idle_backends(&mut self) {
        self.backends.table.forget_idle(KEEP_FILES);
    }
}

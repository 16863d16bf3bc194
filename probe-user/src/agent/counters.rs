//! nginx's own counters: whom to ask, and what came of it.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crate::{
    config,
    facts::{Event, Fact, Instance, Reason},
    fleet::{Fleet, Track},
    rooted::Root,
    sinks::metrics::Metrics,
    source::Stem,
    stub_status::{self, Endpoint, Outcome, Poller, Report, Target},
};

/// Every nginx with a `stub_status`.
pub(super) struct Counters {
    poller: Poller,
    metrics: Arc<Metrics>,
    /// What configurations say, by master, until they are read again.
    read: HashMap<u32, (Arc<Root>, Arc<[Endpoint]>)>,
    aimed: Vec<Target>,
    /// How often workers of an instance may have left something in the counters.
    deaths: HashMap<Instance, u64>,
    workers: HashMap<Instance, HashSet<u32>>,
    /// What is shown: an instance, and what is wrong with it.
    shown: HashMap<Instance, Option<String>>,
    /// Without the kernel's records, a worker that is gone may have died in any way.
    blind: bool,
}

impl Counters {
    pub(super) fn start(
        proc_root: &Path,
        every: Option<Duration>,
        blind: bool,
        metrics: Arc<Metrics>,
    ) -> Option<Self> {
        metrics.set_source(Stem::StubStatus, every.is_some());
        Some(Self {
            poller: stub_status::start(proc_root, every?),
            metrics,
            read: HashMap::new(),
            aimed: Vec::new(),
            deaths: HashMap::new(),
            workers: HashMap::new(),
            shown: HashMap::new(),
            blind,
        })
    }

    /// Takes note of deaths.
    pub(super) fn fact(&mut self, fact: &Fact) {
        match &fact.event {
            Event::WorkerExit(exit) if exit.reason != Reason::Graceful => {
                self.died(&fact.instance);
            }
            Event::Lost(_) => {
                for instance in self.workers.keys().cloned().collect::<Vec<_>>() {
                    self.died(&instance);
                }
            }
            _ => {}
        }
    }

    fn died(&mut self, instance: &Instance) {
        let deaths = self.deaths.entry(instance.clone()).or_default();
        *deaths = deaths.wrapping_add(1);
    }

    /// Aims at those that run now, and shows what came of asking.
    pub(super) fn look<T: Track>(&mut self, fleet: &Fleet<T>) {
        self.note_workers(fleet);
        let mut targets = self.targets(fleet);
        targets.extend(self.orphaned(fleet));
        targets.sort_by(|a, b| a.instance.cmp(&b.instance));
        if !same(&targets, &self.aimed) {
            self.end_series(&targets);
            self.poller.aim(targets.clone());
            self.aimed = targets;
        }
        while let Some(report) = self.poller.report() {
            self.show(report);
        }
    }

    /// What is told of instances that are gone for good is told no more.
    pub(super) fn forget(&mut self, instance: &str) {
        self.shown.remove(instance);
        self.deaths.remove(instance);
    }

    fn note_workers<T: Track>(&mut self, fleet: &Fleet<T>) {
        let mut now: HashMap<Instance, HashSet<u32>> = HashMap::new();
        for worker in fleet.workers() {
            now.entry(worker.instance.clone())
                .or_default()
                .insert(worker.pid);
        }
        let before = std::mem::replace(&mut self.workers, now);
        if self.blind {
            for (instance, pids) in before {
                let now = self.workers.get(&instance);
                if now.is_some_and(|now| !pids.is_subset(now)) {
                    self.died(&instance);
                }
            }
        }
    }

    fn targets<T: Track>(&mut self, fleet: &Fleet<T>) -> Vec<Target> {
        let mut masters: HashMap<u32, (&Instance, &config::Master)> = HashMap::new();
        let mut count: HashMap<&Instance, (u32, u32)> = HashMap::new();
        for (pid, instance, config) in fleet.masters() {
            if let Some(config) = config {
                masters.insert(pid, (instance, config));
            }
            let (newest, masters) = count.entry(instance).or_default();
            *newest = newest_of(fleet, *newest, pid);
            *masters += 1;
        }
        self.read.retain(|pid, _| masters.contains_key(pid));
        let draining: HashSet<&Instance> = fleet
            .workers()
            .filter(|worker| worker.slot.is_none())
            .map(|worker| worker.instance)
            .collect();
        let mut targets = Vec::new();
        for (instance, (pid, masters_of)) in count {
            let Some((_, config)) = masters.get(&pid) else {
                continue;
            };
            let endpoints = self.endpoints(pid, config);
            if endpoints.is_empty() {
                continue;
            }
            targets.push(Target {
                instance: instance.clone(),
                master: pid,
                root: Arc::clone(&config.root),
                endpoints,
                deaths: self.deaths.get(instance).copied().unwrap_or(0),
                draining: draining.contains(instance),
                shared: masters_of > 1,
            });
        }
        targets
    }

    /// Those whose master was killed and whose workers serve on.
    fn orphaned<T: Track>(&self, fleet: &Fleet<T>) -> Vec<Target> {
        let aimed = self.aimed.iter().filter(|target| {
            self.workers.contains_key(&target.instance)
                && fleet
                    .masters()
                    .all(|(_, instance, _)| *instance != target.instance)
        });
        aimed.cloned().collect()
    }

    fn endpoints(&mut self, pid: u32, config: &config::Master) -> Arc<[Endpoint]> {
        if let Some((root, endpoints)) = self.read.get(&pid)
            && Arc::ptr_eq(root, &config.root)
        {
            return Arc::clone(endpoints);
        }
        let endpoints: Arc<[Endpoint]> = stub_status::endpoints(config).into();
        let read = (Arc::clone(&config.root), Arc::clone(&endpoints));
        self.read.insert(pid, read);
        endpoints
    }

    /// An nginx that runs and has no `stub_status` any more has no series; one that is gone is down
    /// until it is forgotten.
    fn end_series(&mut self, targets: &[Target]) {
        for target in &self.aimed {
            let instance = &target.instance;
            if targets.iter().any(|target| target.instance == *instance) {
                continue;
            }
            if self.workers.contains_key(instance) {
                self.metrics.end_stub_status(instance);
                self.shown.remove(instance);
            } else if self.shown.remove(instance).is_some() {
                self.metrics.set_stub_status(instance, None);
            }
        }
    }

    fn show(&mut self, report: Report) {
        let instance = report.instance;
        if !self.aimed.iter().any(|target| target.instance == instance) {
            return; // asked before it was gone
        }
        let problem = match report.outcome {
            Outcome::Up { counters, dropped } => {
                log::trace!("stub_status of {instance}: {dropped} connections dropped so far");
                self.metrics.set_stub_status(&instance, Some(counters));
                None
            }
            Outcome::Down(problem) => {
                if problem.is_our_own() {
                    self.metrics.end_stub_status(&instance);
                } else {
                    self.metrics.set_stub_status(&instance, None);
                }
                Some(format!("{}: {problem}", report.endpoint))
            }
        };
        let before = self.shown.get(&instance).cloned().flatten();
        if problem != before {
            match &problem {
                Some(problem) => log::warn!("stub_status of {instance}: {problem}"),
                None => log::info!("stub_status of {instance} answers now"),
            }
        }
        self.shown.insert(instance, problem);
        let up = self.shown.values().all(Option::is_none);
        self.metrics.set_source(Stem::StubStatus, up);
    }
}

/// Of two masters of an instance, the one that was started by the other.
fn newest_of<T: Track>(fleet: &Fleet<T>, one: u32, other: u32) -> u32 {
    let started = |pid| fleet.proc().status(pid).map(|status| status.started_ns);
    if one != 0 && started(one) > started(other) {
        one
    } else {
        other
    }
}

/// Whether nothing has changed for who asks.
fn same(one: &[Target], other: &[Target]) -> bool {
    let key = |target: &Target| {
        (
            target.instance.clone(),
            target.master,
            target.deaths,
            target.draining,
            target.shared,
        )
    };
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            key(one) == key(other) && Arc::ptr_eq(&one.endpoints, &other.endpoints)
        })
}

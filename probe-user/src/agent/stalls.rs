//! Listen queues that have no room, and workers that do not return to their event loop.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Agent, privileges::IN_NAMESPACES, start::Probes};
use crate::{
    clock::{Time, boot_ns_now},
    facts::{Event, Fact, Instance},
    fleet::Fleet,
    hang::{Change, Subject, Watch},
    listen_queue::{self, Target, Watcher},
    requests::Lost,
    sinks::metrics::Metrics,
    source::Stem,
};

/// What is looked at.
pub(super) struct Stalls {
    metrics: Arc<Metrics>,
    queues: Option<Watcher>,
    /// What was said about queues that cannot be looked at.
    said: HashSet<(Instance, String)>,
    workers: Option<Watch>,
}

impl Stalls {
    /// Begins; call it before privileges are given up, some of which the thread that looks at queues
    /// keeps.
    pub(super) fn start(
        proc_root: &Path,
        hang_after: Option<Duration>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let queues = listen_queue::start(proc_root, IN_NAMESPACES);
        if let Err(error) = &queues {
            log::warn!("without listen_queue: no thread can be started: {error}");
        }
        metrics.set_source(Stem::ListenQueue, queues.is_ok());
        metrics.set_source(Stem::Hang, hang_after.is_some());
        Self {
            metrics,
            queues: queues.ok(),
            said: HashSet::new(),
            workers: hang_after.map(|after| Watch::new(proc_root, after)),
        }
    }

    /// Takes what the last look at the queues gave, and begins another.
    fn queues(&mut self, fleet: &Fleet<Probes>) -> Vec<Fact> {
        let Some(watcher) = &self.queues else {
            return Vec::new();
        };
        let report = watcher.report();
        watcher.look(targets(fleet));
        let Some(report) = report else {
            return Vec::new();
        };
        let problems: HashSet<_> = report.problems.into_iter().collect();
        for (instance, why) in problems.difference(&self.said) {
            log::warn!("without the listen queues of {instance}: {why}");
        }
        self.metrics
            .set_source(Stem::ListenQueue, problems.is_empty());
        self.said = problems;
        if report.stranded {
            self.queues = None;
        }
        self.metrics
            .set_listeners(report.listeners, report.overflows);
        let time = Time::now();
        let facts = report.overflowed.into_iter().map(|overflow| Fact {
            time,
            instance: overflow.listener.instance.clone(),
            event: Event::Overflow(Box::new(overflow)),
        });
        facts.collect()
    }

    fn workers(&mut self, fleet: &Fleet<Probes>) -> Vec<Fact> {
        let Some(watch) = &mut self.workers else {
            return Vec::new();
        };
        let kernel = fleet.kernel().loaded();
        let subjects: Vec<_> = fleet
            .workers()
            .map(|worker| Subject {
                pid: worker.pid,
                instance: worker.instance.clone(),
                draining: worker.slot.is_none(),
            })
            .collect();
        let turns = |pid| Some(kernel?.workers().get(pid)?.turns);
        let changes = watch.look(Instant::now(), &subjects, turns);
        let time = Time::now();
        let facts = changes.into_iter().map(|(instance, change)| {
            let event = match change {
                Change::Hung(mut hung) => {
                    if let Some(kernel) = kernel {
                        let open = kernel.workers().connections(hung.pid);
                        let lost = Lost::of(open, boot_ns_now());
                        (hung.requests, hung.requests_total) = (lost.requests, lost.total);
                    }
                    Event::Hung(hung)
                }
                Change::Returned(returned) => Event::Returned(returned),
            };
            Fact {
                time,
                instance,
                event,
            }
        });
        facts.collect()
    }
}

impl Agent {
    /// Looks at queues and workers, once a second.
    pub(super) fn look_for_stalls(&mut self) {
        let mut facts = self.stalls.queues(&self.fleet);
        facts.extend(self.stalls.workers(&self.fleet));
        for fact in facts {
            self.fact(fact);
        }
    }
}

/// Whose queues to look at, and through which processes.
fn targets(fleet: &Fleet<Probes>) -> Vec<Target> {
    let mut pids: HashMap<&Instance, Vec<u32>> = HashMap::new();
    for (pid, instance, _) in fleet.masters() {
        pids.entry(instance).or_default().push(pid);
    }
    // The orphans of a master that was killed serve on.
    for worker in fleet.workers() {
        pids.entry(worker.instance)
            .or_insert_with(|| vec![worker.pid]);
    }
    let targets = pids.into_iter().map(|(instance, pids)| Target {
        instance: instance.clone(),
        pids,
    });
    targets.collect()
}

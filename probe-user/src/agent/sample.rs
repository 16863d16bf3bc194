//! Figures that are asked for in turn: what workers use, every two seconds.

use std::{collections::HashMap, sync::Arc};

use super::Agent;
use crate::{
    config::{self, WorkerProcesses},
    facts::Instance,
    processes::{self, Processes, Subject},
    sinks::metrics::Metrics,
    source::Stem,
    usage::online_cpus,
};

/// What is sampled.
pub(super) struct Samples {
    processes: Processes,
    /// Whether no worker could be looked at in the last pass.
    blind: bool,
    metrics: Arc<Metrics>,
}

impl Samples {
    pub(super) fn new(proc_root: &std::path::Path, metrics: Arc<Metrics>) -> Self {
        metrics.set_source(Stem::Processes, true);
        Self {
            processes: Processes::new(proc_root),
            blind: false,
            metrics,
        }
    }
}

/// Looks, of one second each, between two passes over all workers.
pub(super) fn is_due(looks: u32) -> bool {
    u64::from(looks).is_multiple_of(processes::EVERY.as_secs())
}

impl Agent {
    /// One pass over all workers.
    pub(super) fn sample(&mut self) {
        let mut limits: HashMap<u32, Option<u32>> = HashMap::new();
        let mut configured: HashMap<Instance, u32> = HashMap::new();
        let mut subjects: Vec<Subject> = Vec::new();
        for (pid, instance, config) in self.fleet.masters() {
            limits.insert(pid, config.map(|config| config.settings.worker_connections));
            if let Some(count) = config.and_then(workers_of) {
                configured.insert(instance.clone(), count);
            }
            subjects.push(Subject {
                pid,
                instance: instance.clone(),
                slot: None,
                max_connections: None,
            });
        }
        subjects.extend(self.fleet.workers().map(|worker| Subject {
            pid: worker.pid,
            instance: worker.instance.clone(),
            slot: worker.slot,
            max_connections: limits.get(&worker.master).copied().flatten(),
        }));
        let samples = &mut self.samples;
        let series = samples
            .processes
            .sample(&subjects, |instance| configured.get(instance).copied());
        let held = series.iter().filter_map(|series| series.held);
        let counted = held.clone().any(|held| held.open_fds.is_some());
        let blind = !counted && subjects.iter().any(|subject| subject.slot.is_some());
        if blind != samples.blind {
            samples.blind = blind;
            samples.metrics.set_source(Stem::Processes, !blind);
            if blind {
                log::warn!(
                    "cannot count the descriptors of any worker; run as root, or with CAP_SYS_PTRACE \
                     and CAP_DAC_READ_SEARCH"
                );
            }
        }
        let host = samples.processes.host();
        samples.metrics.set_processes(series, host);
    }
}

/// Workers that a configuration asks for.
pub(super) fn workers_of(config: &config::Master) -> Option<u32> {
    match config.settings.worker_processes {
        WorkerProcesses::Auto => online_cpus(),
        WorkerProcesses::Count(count) => Some(count),
    }
}

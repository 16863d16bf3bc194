//! What the kernel half counts of each worker, summed up by instance.

use std::{collections::HashMap, sync::Arc};

use nginx_probe_ebpf::connection::{Failure, Worker};

use super::start::Probes;
use crate::{
    errnos,
    facts::Instance,
    fleet::Fleet,
    kernel::calls,
    sinks::metrics::{Metrics, Served},
};

/// The counters of workers, as they were read last.
pub(super) struct Traffic {
    metrics: Arc<Metrics>,
    workers: HashMap<u32, (Instance, Worker)>,
    failures: HashMap<Failure, u64>,
}

impl Traffic {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            workers: HashMap::new(),
            failures: HashMap::new(),
        }
    }

    /// Reads the counters of every worker; call it about once a second.
    pub(super) fn look(&mut self, fleet: &mut Fleet<Probes>) {
        let Some(kernel) = fleet.kernel().loaded() else {
            return;
        };
        let mut now = Vec::new();
        for worker in fleet.workers() {
            if let Some(counters) = kernel.workers().get(worker.pid) {
                let limit = fleet
                    .masters()
                    .find(|(master, ..)| *master == worker.master)
                    .and_then(|(_, _, config)| Some(config?.settings.worker_connections));
                if let Some(slot) = worker.slot {
                    self.metrics
                        .connections(worker.instance, slot, counters.connections);
                }
                now.push((worker.pid, worker.instance.clone(), counters, limit));
            }
        }
        for (pid, instance, counters, limit) in now {
            self.count(pid, &instance, &counters, limit);
        }
        self.count_failures(fleet);
    }

    /// A worker has ended; these were its last counters.
    pub(super) fn ended(&mut self, pid: u32, instance: &Instance, last: &Worker) {
        self.count(pid, instance, last, None);
        self.workers.remove(&pid);
    }

    fn count(&mut self, pid: u32, instance: &Instance, now: &Worker, limit: Option<u32>) {
        let before = self.workers.insert(pid, (instance.clone(), *now));
        // A process id may come again.
        let before = before
            .map(|(_, worker)| worker)
            .filter(|before| before.turns <= now.turns)
            .unwrap_or(nginx_probe_ebpf::connection::BLANK_WORKER);
        let full = limit.is_none_or(|limit| now.dropped_at.saturating_add(SPARE) >= limit);
        let dropped = now.dropped.saturating_sub(before.dropped);
        let answers = now
            .answers
            .iter()
            .zip(before.answers)
            .zip(0u16..)
            .map(|((now, before), status)| (status, u64::from(now.wrapping_sub(before))))
            .filter(|(_, count)| *count > 0)
            .collect();
        let served = Served {
            accepts: now.accepts.saturating_sub(before.accepts),
            dropped_for_slots: if full { dropped } else { 0 },
            dropped_for_memory: now.dropped_memory.saturating_sub(before.dropped_memory),
            dropped_otherwise: if full { 0 } else { dropped },
            stalled_ns: now.stalled_ns.saturating_sub(before.stalled_ns),
            stalled_errno: errnos::name(now.stalled_errno),
            answers,
        };
        self.metrics.served(instance, &served);
    }

    fn count_failures(&mut self, fleet: &mut Fleet<Probes>) {
        let workers = &self.workers;
        let Some(kernel) = fleet.kernel_mut().loaded_mut() else {
            return;
        };
        let now = kernel
            .workers_mut()
            .failures(|pid| workers.contains_key(&pid));
        for (failure, count) in &now {
            let before = self.failures.get(failure).copied().unwrap_or(0);
            let more = count.saturating_sub(before);
            if more > 0
                && let Some((instance, _)) = self.workers.get(&failure.pid)
            {
                let call = calls::name(u32::from(failure.call));
                let errno = errnos::name(u32::from(failure.errno));
                self.metrics.failed_calls(instance, call, errno, more);
            }
        }
        self.failures = now;
    }
}

/// Slots of `worker_connections` that no client or upstream has: listeners, the channel to the
/// master, the event loop's own.
const SPARE: u32 = 16;

//! Measurements for Prometheus. The names and labels are a contract with dashboards and alerts.

mod agent;
mod backends;
mod incidents;
mod labels;
mod listen_queue;
mod logs;
mod processes;
mod responses;
mod series;
mod stub_status;
mod thresholds;
mod traffic;
mod workers;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus_client::{encoding::text::encode, metrics::counter::Counter, registry::Registry};

use self::{
    agent::Agent, backends::Backends, incidents::Incidents, logs::Logs, responses::Responses,
    thresholds::Thresholds, traffic::Traffic, workers::Workers,
};
pub use self::{responses::Durations, traffic::Served};
use super::process::ProcessCollector;
use crate::{
    correlator::Failed,
    facts::{Event, Fact, Instance},
    fleet::Counts,
    records::{Body, Record},
    source::Stem,
};
use nginx_probe_ebpf::record::Kind;

/// Every metric of the agent.
pub struct Metrics {
    registry: Registry,
    ready: AtomicBool,
    /// Instances whose counters were started at zero.
    known: Mutex<HashSet<String>>,
    workers: Workers,
    backends: Backends,
    responses: Responses,
    traffic: Traffic,
    incidents: Incidents,
    thresholds: Thresholds,
    logs: Logs,
    agent: Agent,
    processes: processes::Table,
    stub_status: stub_status::Table,
    listen_queue: listen_queue::Table,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        let (workers, responses) = (Workers::new(r), Responses::new(r));
        let (traffic, backends) = (Traffic::new(r), Backends::new(r));
        let (incidents, thresholds) = (Incidents::new(r), Thresholds::new(r));
        let (logs, agent) = (Logs::new(r), Agent::new(r));
        let (processes, stub_status) = (processes::Table::default(), stub_status::Table::default());
        r.register_collector(Box::new(processes.clone()));
        r.register_collector(Box::new(stub_status.clone()));
        let listen_queue = listen_queue::Table::default();
        r.register_collector(Box::new(listen_queue.clone()));
        r.register_collector(Box::new(ProcessCollector));
        Self {
            registry,
            ready: AtomicBool::new(false),
            known: Mutex::default(),
            workers,
            backends,
            responses,
            traffic,
            incidents,
            thresholds,
            logs,
            agent,
            processes,
            stub_status,
            listen_queue,
        }
    }

    /// The exposition, in `OpenMetrics` text.
    ///
    /// # Errors
    /// Never in practice: a string takes every write.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Every probe that can attach has.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether that was said.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Whether a source works.
    pub fn set_source(&self, stem: Stem, up: bool) {
        self.agent.set_source(stem, up);
    }

    /// Whether a source works, as was said last.
    #[must_use]
    pub fn source_is_up(&self, stem: Stem) -> bool {
        self.agent.source_is_up(stem)
    }

    /// One record came from the kernel side.
    pub fn event(&self, kind: Kind) {
        self.agent.event(kind, 1);
    }

    /// So many records more were lost.
    pub fn lost(&self, kind: Kind, count: u64) {
        self.agent.lost(kind, count);
    }

    /// Kernel memory in use, in bytes.
    pub fn set_kernel_memory(&self, bytes: u64) {
        self.agent
            .kernel_memory
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts the records that the journal could not take.
    #[must_use]
    pub fn journal_lost(&self) -> Counter {
        self.agent.journal_lost.clone()
    }

    /// So many lines more of the `access` or `error` logs were read.
    pub fn lines(&self, log: &'static str, parsed: u64, unparsed: u64) {
        self.logs.count(log, parsed, unparsed);
    }

    /// Of the `access` or `error` logs so many bytes more were skipped, and files not found again.
    pub fn log_lost(&self, log: &'static str, bytes: u64, gaps: u64) {
        self.logs.lost(log, bytes, gaps);
    }

    /// So many messages more are in an instance's error log.
    pub fn messages(&self, nginx: &str, level: &'static str, class: &'static str, count: u64) {
        self.know(nginx);
        self.logs.messages(nginx, level, class, count);
    }

    /// An instance's histograms, to be kept by whoever has much to observe.
    #[must_use]
    pub fn durations(&self, nginx: &str) -> Durations {
        self.know(nginx);
        self.responses.durations(nginx)
    }

    /// What workers of an instance did since the last look.
    pub fn served(&self, nginx: &str, served: &Served) {
        self.know(nginx);
        self.traffic.served(nginx, served);
        self.responses.count_seen(nginx, &served.answers);
    }

    /// So many calls of an instance's workers more have failed.
    pub fn failed_calls(&self, nginx: &str, call: &'static str, errno: &'static str, count: u64) {
        self.know(nginx);
        self.traffic.failed_calls(nginx, call, errno, count);
    }

    /// Connections of a worker slot, now.
    pub fn connections(&self, nginx: &str, slot: u32, count: u32) {
        self.know(nginx);
        self.traffic.connections(nginx, slot, count);
    }

    /// Failed answers, each counted once, whoever saw it.
    pub fn failure(&self, failed: &Failed) {
        self.know(&failed.instance);
        self.responses
            .failed(&failed.instance, failed.code, failed.cause, failed.count);
    }

    /// Workers of an instance, now.
    pub fn set_workers(&self, nginx: &str, counts: Counts) {
        self.know(nginx);
        self.workers.set(nginx, counts);
    }

    /// Workers that an instance's configuration asks for.
    pub fn set_configured(&self, nginx: &str, count: u32) {
        self.workers.set_configured(nginx, count);
    }

    /// Processes behind local upstreams, now, by instance.
    pub fn set_backends(&self, counts: &HashMap<Instance, usize>) {
        for nginx in counts.keys() {
            self.know(nginx);
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.backends.set(counts, &known);
    }

    /// Counts a fact.
    pub fn fact(&self, fact: &Fact) {
        let nginx = &*fact.instance;
        self.know(nginx);
        match &fact.event {
            Event::WorkerExit(exit) => {
                self.workers.exit(nginx, exit);
                self.traffic.exit(nginx, exit);
            }
            Event::BackendExit(exit) => self.backends.exit(nginx, exit),
            Event::Reload(reload) => self.workers.reload(nginx, reload.result),
            Event::Responses(codes) => self.responses.count(nginx, codes),
            _ => {}
        }
    }

    /// Counts what was said.
    pub fn record(&self, record: &Record) {
        if let Body::Incident(incident) = &record.body {
            self.know(&record.instance);
            self.incidents.said(&record.instance, incident);
        }
    }

    /// Every instance that has series, but for those that are made of the last pass alone.
    #[must_use]
    pub fn instances(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().cloned().collect()
    }

    /// Starts an instance's counters at zero, so that an alert sees the first increase.
    fn know(&self, nginx: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(nginx) {
            known.insert(nginx.to_owned());
            self.workers.begin(nginx);
            self.backends.begin(nginx);
            self.responses.begin(nginx);
            self.traffic.begin(nginx);
            self.incidents.begin(nginx);
            self.thresholds.begin(nginx);
            self.logs.begin(nginx);
        }
    }

    /// Removes every series of an instance. A host on which containers come and go would gather
    /// them without end. When the instance comes back its counters begin at zero, as after a
    /// restart of the agent.
    pub fn forget(&self, nginx: &str) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(nginx);
        self.workers.forget(nginx);
        self.backends.forget(nginx);
        self.responses.forget(nginx);
        self.traffic.forget(nginx);
        self.incidents.forget(nginx);
        self.thresholds.forget(nginx);
        self.logs.forget(nginx);
        self.stub_status.forget(nginx);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        clock::Time,
        facts::{Reload, ReloadResult},
    };

    fn fact(nginx: &str, event: Event) -> Fact {
        Fact {
            time: Time::now(),
            instance: nginx.into(),
            event,
        }
    }

    #[test]
    fn nothing_is_left_of_one_and_all_of_the_other() {
        let metrics = Metrics::new();
        let empty = metrics.encode().expect("text").lines().count();
        let use_all = |nginx: &str| {
            metrics.set_workers(nginx, Counts::default());
            metrics.set_configured(nginx, 4);
            let codes = BTreeMap::from([(200, 7), (500, 1), (507, 2), (999, 1)]);
            metrics.fact(&fact(nginx, Event::Responses(codes)));
            let (result, generation) = (ReloadResult::Failed, 1);
            let reload = Reload {
                result,
                generation,
                detail: None,
            };
            metrics.fact(&fact(nginx, Event::Reload(reload)));
            metrics.messages(nginx, "crit", "accept_emfile", 3);
            metrics.durations(nginx).upstream.observe(0.5);
        };
        use_all("pid:1");
        use_all("pid:2");
        let of = |nginx: &str| {
            let text = metrics.encode().expect("text");
            let label = format!("nginx=\"{nginx}\"");
            text.lines().filter(|line| line.contains(&label)).count()
        };
        let each = of("pid:1");
        assert!(each > 100 && of("pid:2") == each);
        metrics.forget("pid:1");
        assert_eq!((of("pid:1"), of("pid:2")), (0, each));
        metrics.forget("pid:2");
        metrics.forget("never seen");
        let left = metrics.encode().expect("text").lines().count();
        assert_eq!(left, empty);

        use_all("pid:1");
        assert_eq!(of("pid:1"), each, "it may come back");
    }
}

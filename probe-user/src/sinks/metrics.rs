//! Measurements for Prometheus. The names and labels are a contract with dashboards and alerts.

mod instance;
mod labels;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use self::labels::{
    OfCause, OfExit, OfFailure, OfKind, OfLines, OfNginx, OfReload, OfResponse, OfSource,
};
use super::process::ProcessCollector;
use crate::{
    correlator::{Cause, State},
    facts::{Event, Fact, Reason, ReloadResult},
    fleet::Counts,
    records::{Body, Record},
    source::{ALL as SOURCES, Stem},
};
use nginx_probe_ebpf::record::Kind;

/// The failures of which every instance has a counter from the start, beside every cause.
const USUAL_FAILURES: [u16; 4] = [500, 502, 503, 504];

/// What an instance's series are told apart by and no closed list holds.
#[derive(Default)]
struct Seen {
    codes: BTreeSet<u16>,
    signals: BTreeSet<&'static str>,
}

/// Every metric of the agent.
pub struct Metrics {
    registry: Registry,
    ready: AtomicBool,
    /// Instances whose counters were started at zero.
    known: Mutex<HashMap<String, Seen>>,
    workers: Family<OfNginx, Gauge>,
    workers_configured: Family<OfNginx, Gauge>,
    workers_draining: Family<OfNginx, Gauge>,
    worker_exits: Family<OfExit, Counter>,
    responses: Family<OfResponse, Counter>,
    error_responses: Family<OfFailure, Counter>,
    reloads: Family<OfReload, Counter>,
    incidents: Family<OfCause, Counter>,
    incident_active: Family<OfCause, Gauge>,
    source_up: Family<OfSource, Gauge>,
    events: Family<OfKind, Counter>,
    events_lost: Family<OfKind, Counter>,
    log_lines: Family<OfLines, Counter>,
    kernel_memory: Gauge,
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
        let mut metrics = Self {
            registry: Registry::default(),
            ready: AtomicBool::new(false),
            known: Mutex::default(),
            workers: Family::default(),
            workers_configured: Family::default(),
            workers_draining: Family::default(),
            worker_exits: Family::default(),
            responses: Family::default(),
            error_responses: Family::default(),
            reloads: Family::default(),
            incidents: Family::default(),
            incident_active: Family::default(),
            source_up: Family::default(),
            events: Family::default(),
            events_lost: Family::default(),
            log_lines: Family::default(),
            kernel_memory: Gauge::default(),
        };
        metrics.register();
        for kind in Kind::ALL {
            drop(metrics.events.get_or_create(&OfKind {
                kind: kind.as_str(),
            }));
            drop(metrics.events_lost.get_or_create(&OfKind {
                kind: kind.as_str(),
            }));
        }
        for stem in SOURCES {
            metrics.set_source(stem.stem, false);
        }
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "nginx_workers",
            "Workers that take connections",
            self.workers.clone(),
        );
        r.register(
            "nginx_workers_configured",
            "Workers that the configuration asks for",
            self.workers_configured.clone(),
        );
        r.register(
            "nginx_workers_draining",
            "Workers that end once their connections have",
            self.workers_draining.clone(),
        );
        r.register(
            "nginx_worker_exits",
            "Ended children of a master",
            self.worker_exits.clone(),
        );
        r.register(
            "nginx_http_responses",
            "Answers to clients",
            self.responses.clone(),
        );
        r.register(
            "nginx_http_error_responses",
            "Failed answers to clients, by cause",
            self.error_responses.clone(),
        );
        r.register("nginx_reloads", "Reloads", self.reloads.clone());
        r.register(
            "nginx_incidents",
            "Incidents opened",
            self.incidents.clone(),
        );
        r.register(
            "nginx_incident_active",
            "1 while an incident is open",
            self.incident_active.clone(),
        );
        r.register(
            "nginx_probe_source_up",
            "1 while a source of the agent works",
            self.source_up.clone(),
        );
        r.register(
            "nginx_probe_events",
            "Records received from the kernel side",
            self.events.clone(),
        );
        r.register(
            "nginx_probe_events_lost",
            "Records that the kernel side could not deliver",
            self.events_lost.clone(),
        );
        r.register(
            "nginx_probe_log_lines",
            "Log lines read",
            self.log_lines.clone(),
        );
        r.register(
            "nginx_probe_kernel_memory_bytes",
            "Kernel memory of the agent's maps and programs",
            self.kernel_memory.clone(),
        );
        r.register(
            "nginx_probe_build",
            "The agent's version",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        r.register_collector(Box::new(ProcessCollector));
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
        self.source_up
            .get_or_create(&OfSource {
                source: stem.as_str(),
            })
            .set(i64::from(up));
    }

    /// One record came from the kernel side.
    pub fn event(&self, kind: Kind) {
        self.events
            .get_or_create(&OfKind {
                kind: kind.as_str(),
            })
            .inc();
    }

    /// So many records more were lost.
    pub fn lost(&self, kind: Kind, count: u64) {
        self.events_lost
            .get_or_create(&OfKind {
                kind: kind.as_str(),
            })
            .inc_by(count);
    }

    /// Kernel memory in use, in bytes.
    pub fn set_kernel_memory(&self, bytes: u64) {
        self.kernel_memory
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// So many lines more of a log were read.
    pub fn lines(&self, log: &str, parsed: u64, unparsed: u64) {
        for (result, count) in [("parsed", parsed), ("unparsed", unparsed)] {
            let labels = OfLines {
                log: log.to_owned(),
                result,
            };
            self.log_lines.get_or_create(&labels).inc_by(count);
        }
    }

    /// Workers of an instance, now.
    pub fn set_workers(&self, nginx: &str, counts: Counts) {
        self.know(nginx);
        let labels = OfNginx {
            nginx: nginx.to_owned(),
        };
        self.workers
            .get_or_create(&labels)
            .set(counts.workers.into());
        self.workers_draining
            .get_or_create(&labels)
            .set(counts.draining.into());
    }

    /// Workers that an instance's configuration asks for.
    pub fn set_configured(&self, nginx: &str, count: u32) {
        let labels = OfNginx {
            nginx: nginx.to_owned(),
        };
        self.workers_configured
            .get_or_create(&labels)
            .set(count.into());
    }

    /// Counts a fact.
    pub fn fact(&self, fact: &Fact) {
        let nginx = fact.instance.to_string();
        self.know(&nginx);
        match &fact.event {
            Event::WorkerExit(exit) => {
                let signal = exit.signal.unwrap_or("");
                self.see(&nginx, |seen| seen.signals.insert(signal));
                let labels = OfExit {
                    nginx,
                    role: exit.role.as_str(),
                    reason: exit.reason.as_str(),
                    signal,
                };
                self.worker_exits.get_or_create(&labels).inc();
            }
            Event::Reload(reload) => {
                let result = reload_result(reload.result);
                self.reloads
                    .get_or_create(&OfReload { nginx, result })
                    .inc();
            }
            Event::Responses(codes) => {
                self.see(&nginx, |seen| seen.codes.extend(codes.keys()));
                for (code, count) in codes {
                    let labels = OfResponse {
                        nginx: nginx.clone(),
                        code: *code,
                        seen_by: "log",
                    };
                    self.responses.get_or_create(&labels).inc_by(*count);
                    if *code >= 500 {
                        let cause = Cause::Unknown.as_str();
                        let labels = OfFailure {
                            nginx: nginx.clone(),
                            code: *code,
                            cause,
                        };
                        self.error_responses.get_or_create(&labels).inc_by(*count);
                    }
                }
            }
            _ => {}
        }
    }

    /// Counts what was said.
    pub fn record(&self, record: &Record) {
        let Body::Incident(incident) = &record.body else {
            return;
        };
        let labels = OfCause {
            nginx: record.instance.to_string(),
            cause: incident.cause.as_str(),
        };
        if incident.state == State::Opened {
            self.incidents.get_or_create(&labels).inc();
        }
        let active = i64::from(incident.state != State::Closed);
        self.incident_active.get_or_create(&labels).set(active);
    }

    fn see<T>(&self, nginx: &str, note: impl FnOnce(&mut Seen) -> T) {
        if let Ok(mut known) = self.known.lock()
            && let Some(seen) = known.get_mut(nginx)
        {
            note(seen);
        }
    }
}

/// The ends that alerts ask for.
const USUAL_EXITS: [(Reason, &str); 7] = [
    (Reason::Crash, "SIGSEGV"),
    (Reason::Crash, "SIGABRT"),
    (Reason::Crash, "SIGBUS"),
    (Reason::OomKill, "SIGKILL"),
    (Reason::Killed, "SIGKILL"),
    (Reason::Graceful, ""),
    (Reason::ErrorExit, ""),
];

const fn reload_result(result: ReloadResult) -> &'static str {
    match result {
        ReloadResult::Ok => "ok",
        ReloadResult::Failed => "failed",
    }
}

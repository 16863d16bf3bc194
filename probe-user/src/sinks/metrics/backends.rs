//! Programs behind nginx: how many processes are followed, and how they ended.

use std::collections::{HashMap, HashSet};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::{
    labels::{OfBackendExit, OfNginx},
    series::Series,
};
use crate::{
    backends::BackendExit,
    facts::{Instance, Reason},
};

/// The ends that alerts ask for.
const USUAL_EXITS: [(Reason, &str); 5] = [
    (Reason::Crash, "SIGSEGV"),
    (Reason::Crash, "SIGABRT"),
    (Reason::OomKill, "SIGKILL"),
    (Reason::Killed, "SIGKILL"),
    (Reason::ErrorExit, ""),
];

pub(super) struct Backends {
    processes: Series<OfNginx, Gauge>,
    exits: Series<OfBackendExit, Counter>,
}

impl Backends {
    pub(super) fn new(r: &mut Registry) -> Self {
        let new = Self {
            processes: Series::new(Gauge::default),
            exits: Series::new(Counter::default),
        };
        new.processes.register(
            r,
            "nginx_backend_processes",
            "Processes behind local upstreams that were found",
        );
        new.exits.register(
            r,
            "nginx_backend_exits",
            "Ended processes behind local upstreams",
        );
        new
    }

    pub(super) fn begin(&self, nginx: &str) {
        let labels = OfNginx {
            nginx: nginx.to_owned(),
        };
        self.processes.of(&labels);
        for (reason, signal) in USUAL_EXITS {
            self.exits.of(&of_exit(nginx, reason, signal));
        }
    }

    pub(super) fn forget(&self, nginx: &str) {
        self.processes.forget(nginx);
        self.exits.forget(nginx);
    }

    /// Processes of each instance now; those in `known` that are not among them have none.
    pub(super) fn set(&self, counts: &HashMap<Instance, usize>, known: &HashSet<String>) {
        for nginx in known {
            let count = counts.get(nginx.as_str()).copied().unwrap_or(0);
            let labels = OfNginx {
                nginx: nginx.clone(),
            };
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.processes.of(&labels).set(count);
        }
    }

    pub(super) fn exit(&self, nginx: &str, exit: &BackendExit) {
        let signal = exit.signal.unwrap_or("");
        self.exits.of(&of_exit(nginx, exit.reason, signal)).inc();
    }
}

fn of_exit(nginx: &str, reason: Reason, signal: &'static str) -> OfBackendExit {
    OfBackendExit {
        nginx: nginx.to_owned(),
        reason: reason.as_str(),
        signal,
    }
}

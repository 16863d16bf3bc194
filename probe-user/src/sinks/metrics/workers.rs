//! Workers: how many there are, how they ended, reloads.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::{
    labels::{OfExit, OfNginx, OfReload},
    series::Series,
};
use crate::{
    facts::{Reason, ReloadResult, Role, WorkerExit},
    fleet::Counts,
};

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

pub(super) struct Workers {
    running: Series<OfNginx, Gauge>,
    configured: Series<OfNginx, Gauge>,
    draining: Series<OfNginx, Gauge>,
    exits: Series<OfExit, Counter>,
    reloads: Series<OfReload, Counter>,
}

impl Workers {
    pub(super) fn new(r: &mut Registry) -> Self {
        let new = Self {
            running: Series::new(Gauge::default),
            configured: Series::new(Gauge::default),
            draining: Series::new(Gauge::default),
            exits: Series::new(Counter::default),
            reloads: Series::new(Counter::default),
        };
        new.running
            .register(r, "nginx_workers", "Workers that take connections");
        new.configured.register(
            r,
            "nginx_workers_configured",
            "Workers that the configuration asks for",
        );
        new.draining.register(
            r,
            "nginx_workers_draining",
            "Workers that end once their connections have",
        );
        new.exits
            .register(r, "nginx_worker_exits", "Ended children of a master");
        new.reloads.register(r, "nginx_reloads", "Reloads");
        new
    }

    pub(super) fn begin(&self, nginx: &str) {
        for result in [ReloadResult::Ok, ReloadResult::Failed] {
            self.reloads.of(&of_reload(nginx, result));
        }
        for (reason, signal) in USUAL_EXITS {
            self.exits.of(&OfExit {
                nginx: nginx.to_owned(),
                role: Role::Worker.as_str(),
                reason: reason.as_str(),
                signal,
            });
        }
    }

    pub(super) fn forget(&self, nginx: &str) {
        self.running.forget(nginx);
        self.configured.forget(nginx);
        self.draining.forget(nginx);
        self.exits.forget(nginx);
        self.reloads.forget(nginx);
    }

    pub(super) fn set(&self, nginx: &str, counts: Counts) {
        let nginx = nginx.to_owned();
        let labels = OfNginx { nginx };
        self.running.of(&labels).set(counts.workers.into());
        self.draining.of(&labels).set(counts.draining.into());
    }

    pub(super) fn set_configured(&self, nginx: &str, count: u32) {
        let nginx = nginx.to_owned();
        self.configured.of(&OfNginx { nginx }).set(count.into());
    }

    pub(super) fn exit(&self, nginx: &str, exit: &WorkerExit) {
        let labels = OfExit {
            nginx: nginx.to_owned(),
            role: exit.role.as_str(),
            reason: exit.reason.as_str(),
            signal: exit.signal.unwrap_or(""),
        };
        self.exits.of(&labels).inc();
    }

    pub(super) fn reload(&self, nginx: &str, result: ReloadResult) {
        self.reloads.of(&of_reload(nginx, result)).inc();
    }
}

fn of_reload(nginx: &str, result: ReloadResult) -> OfReload {
    let nginx = nginx.to_owned();
    let result = match result {
        ReloadResult::Ok => "ok",
        ReloadResult::Failed => "failed",
    };
    OfReload { nginx, result }
}

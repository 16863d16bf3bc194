//! What the kernel half counts of connections and system calls.

use std::{collections::BTreeMap, sync::atomic::AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::{
    labels::{OfDrop, OfFailedCall, OfLoss, OfNginx, OfSlot, OfStall},
    series::Series,
};
use crate::facts::{Reason, WorkerExit};

/// What workers of an instance did since the last look.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// Connections accepted.
    pub accepts: u64,
    /// Accepted and closed unserved, for no connection slot was free.
    pub dropped_for_slots: u64,
    /// The same, for want of memory.
    pub dropped_for_memory: u64,
    /// The same, for another reason.
    pub dropped_otherwise: u64,
    /// Nanoseconds that a listener was out of epoll.
    pub stalled_ns: u64,
    /// Why.
    pub stalled_errno: &'static str,
    /// Answers to clients, by status.
    pub answers: BTreeMap<u16, u64>,
}

type Seconds = Counter<f64, AtomicU64>;

pub(super) struct Traffic {
    accepts: Series<OfNginx, Counter>,
    dropped: Series<OfDrop, Counter>,
    stalled: Series<OfStall, Seconds>,
    failed_calls: Series<OfFailedCall, Counter>,
    connections: Series<OfSlot, Gauge>,
    lost_requests: Series<OfLoss, Counter>,
    lost_connections: Series<OfLoss, Counter>,
}

const REASONS: [&str; 3] = ["worker_connections", "memory", "other"];

impl Traffic {
    pub(super) fn new(r: &mut Registry) -> Self {
        let new = Self {
            accepts: Series::new(Counter::default),
            dropped: Series::new(Counter::default),
            stalled: Series::new(Seconds::default),
            failed_calls: Series::new(Counter::default),
            connections: Series::new(Gauge::default),
            lost_requests: Series::new(Counter::default),
            lost_connections: Series::new(Counter::default),
        };
        new.accepts
            .register(r, "nginx_accepts", "Connections that workers accepted");
        new.dropped.register(
            r,
            "nginx_accepts_dropped",
            "Connections accepted, then closed unserved",
        );
        new.stalled.register(
            r,
            "nginx_accept_stalled_seconds",
            "Time that a listener was out of epoll because accepting failed",
        );
        new.failed_calls.register(
            r,
            "nginx_syscall_errors",
            "System calls of workers that failed, by error",
        );
        new.connections.register(
            r,
            "nginx_worker_connections",
            "Connections of a worker, of clients and to upstreams",
        );
        new.lost_requests.register(
            r,
            "nginx_worker_lost_requests",
            "Requests without an answer that died with their worker",
        );
        new.lost_connections.register(
            r,
            "nginx_worker_lost_connections",
            "Connections of clients that died with their worker",
        );
        new
    }

    pub(super) fn begin(&self, nginx: &str) {
        self.served(nginx, &Served::default());
        for reason in [Reason::Crash, Reason::OomKill, Reason::Killed] {
            self.lose(nginx, reason, 0, 0);
        }
    }

    pub(super) fn forget(&self, nginx: &str) {
        self.accepts.forget(nginx);
        self.dropped.forget(nginx);
        self.stalled.forget(nginx);
        self.failed_calls.forget(nginx);
        self.connections.forget(nginx);
        self.lost_requests.forget(nginx);
        self.lost_connections.forget(nginx);
    }

    pub(super) fn served(&self, nginx: &str, served: &Served) {
        let name = || nginx.to_owned();
        let counts = [
            served.dropped_for_slots,
            served.dropped_for_memory,
            served.dropped_otherwise,
        ];
        self.accepts
            .of(&OfNginx { nginx: name() })
            .inc_by(served.accepts);
        for (reason, count) in REASONS.into_iter().zip(counts) {
            let nginx = name();
            self.dropped.of(&OfDrop { nginx, reason }).inc_by(count);
        }
        if served.stalled_ns > 0 {
            let (nginx, errno) = (name(), served.stalled_errno);
            let seconds = std::time::Duration::from_nanos(served.stalled_ns).as_secs_f64();
            self.stalled.of(&OfStall { nginx, errno }).inc_by(seconds);
        }
    }

    pub(super) fn failed_calls(
        &self,
        nginx: &str,
        syscall: &'static str,
        errno: &'static str,
        count: u64,
    ) {
        let nginx = nginx.to_owned();
        let labels = OfFailedCall {
            nginx,
            syscall,
            errno,
        };
        self.failed_calls.of(&labels).inc_by(count);
    }

    pub(super) fn connections(&self, nginx: &str, worker: u32, count: u32) {
        let nginx = nginx.to_owned();
        self.connections
            .of(&OfSlot { nginx, worker })
            .set(count.into());
    }

    pub(super) fn exit(&self, nginx: &str, exit: &WorkerExit) {
        let lost = (exit.lost_total, exit.lost_connections);
        if let (Some(requests), Some(connections)) = lost
            && requests + connections > 0
        {
            self.lose(nginx, exit.reason, requests, connections);
        }
    }

    fn lose(&self, nginx: &str, reason: Reason, requests: u64, connections: u64) {
        let labels = OfLoss {
            nginx: nginx.to_owned(),
            reason: reason.as_str(),
        };
        self.lost_requests.of(&labels).inc_by(requests);
        self.lost_connections.of(&labels).inc_by(connections);
    }
}

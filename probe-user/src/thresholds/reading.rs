//! What is read of one nginx at one moment.

use super::SEVERE;
use crate::snapshot::{Labels, Snapshot, whole};

/// Answers since the agent's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) all: u64,
    pub(super) failed: u64,
}

/// Counters since the agent's start, and what is now.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// As the kernel half and as the log count them: each sees what the other may not.
    pub(super) answers: [Answers; 2],
    pub(super) severe: u64,
    pub(super) errors: u64,
    /// Fewer workers than configured.
    pub(super) is_short: bool,
    /// Shares of what the fullest worker may have.
    pub(super) open_fds: Option<f64>,
    pub(super) connections: Option<f64>,
    /// The buckets of the time that upstreams took: their ends in seconds, and how many are at most
    /// that.
    pub(super) upstream: Vec<(f64, u64)>,
}

impl Reading {
    pub(super) fn of(snapshot: &Snapshot, nginx: &str) -> Self {
        let now = |name: &str| snapshot.sum(name, nginx, |_| true);
        let is_short = now("nginx_workers")
            .zip(now("nginx_workers_configured"))
            .is_some_and(|(workers, configured)| workers < configured);
        let share = |(used, most): (f64, f64)| used / most;
        let fullest = |used, most| snapshot.fullest(used, most, nginx).map(share);
        let of_one = fullest("nginx_worker_connections", "nginx_worker_max_connections");
        // Where nothing counts those of each worker.
        let of_all = now("nginx_connections_active")
            .zip(now("nginx_worker_max_connections"))
            .filter(|(_, most)| *most > 0.0)
            .map(share);
        let upstream = snapshot.buckets("nginx_http_upstream_duration_seconds", nginx);
        Self {
            answers: ["kernel", "log"].map(|by| answers(snapshot, nginx, by)),
            severe: messages(snapshot, nginx, SEVERE),
            errors: messages(snapshot, nginx, &["error"]),
            is_short,
            open_fds: fullest("nginx_worker_open_fds", "nginx_worker_max_fds"),
            connections: of_one.into_iter().chain(of_all).reduce(f64::max),
            upstream: upstream
                .into_iter()
                .map(|(end, count)| (end, whole(count)))
                .collect(),
        }
    }
}

fn answers(snapshot: &Snapshot, nginx: &str, seen_by: &str) -> Answers {
    let count = |wanted: &dyn Fn(&str) -> bool| {
        let sum = snapshot.sum("nginx_http_responses_total", nginx, |labels: &Labels| {
            labels.get("seen_by").is_some_and(|by| by == seen_by)
                && labels.get("code").is_some_and(|code| wanted(code))
        });
        whole(sum.unwrap_or(0.0))
    };
    Answers {
        all: count(&|_| true),
        failed: count(&|code| code.len() == 3 && code.starts_with('5')),
    }
}

fn messages(snapshot: &Snapshot, nginx: &str, levels: &[&str]) -> u64 {
    let of_these = |labels: &Labels| {
        labels
            .get("level")
            .is_some_and(|level| levels.contains(&&**level))
    };
    let sum = snapshot.sum("nginx_error_log_messages_total", nginx, of_these);
    whole(sum.unwrap_or(0.0))
}

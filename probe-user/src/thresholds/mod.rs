//! The thresholds of an operator's checklist, as states: each holds or does not, now.
//!
//! Incidents say what failed and why. These say that something is more than usual, whatever it is,
//! and are meant for alerts. They are judged on the numbers that the agent exports, so that whoever
//! sees a state can look up what it was made from.

mod judge;
mod reading;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use self::{judge::Judge, reading::Reading};
use crate::snapshot::Snapshot;

/// How often it is looked.
pub const EVERY: Duration = Duration::from_secs(10);

/// From this share of a worker's descriptors on they are as good as all open.
pub const FULL_FILES: f64 = 0.95;
/// The same of its connections: of the last sixteenth nginx keeps some free, by closing connections
/// of clients that are idle (`ngx_drain_connections`).
pub const FULL_CONNECTIONS: f64 = 0.9;

/// Levels of the error log of which one message is one too many.
pub const SEVERE: &[&str] = &["emerg", "alert", "crit"];
/// Messages of level `error` in a minute that are still ordinary.
pub const ORDINARY_ERRORS: u32 = 10;

macro_rules! thresholds {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal, $says:literal;)*) => {
        /// What is judged.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Threshold { $($(#[doc = $doc])+ $name,)* }

        impl Threshold {
            /// All of them.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// Its name, as a label has it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// What it means that it is exceeded.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }
        }
    };
}

thresholds! {
    /// Of the responses of 5 minutes more than 1 % failed, and at least 10.
    ErrorRatio = "error_ratio", "more than 1 % of the responses of the last 5 minutes failed";
    /// Of the responses of a minute, at least 60, more than 5 % failed.
    ErrorRatioHigh = "error_ratio_high", "more than 5 % of the responses of the last minute failed";
    /// Any message of level emerg, alert or crit in 5 minutes.
    SevereMessages = "severe_messages", "the error log has messages of level emerg, alert or crit";
    /// More than 10 messages of level error in a minute.
    ErrorMessages = "error_messages", "the error log has more than 10 errors a minute";
    /// For more than 30 s fewer workers than configured.
    WorkersMissing = "workers_missing", "fewer workers run than are configured, for more than 30 s";
    /// Of the descriptors that a worker may have more than 95 % are open.
    OpenFds = "open_fds", "a worker has more than 95 % of its file descriptors open";
    /// Of the connections that a worker, or all together, may have more than 90 % are open.
    Connections = "connections", "more than 90 % of worker_connections are in use";
    /// The 95th percentile of the time that upstreams took in 5 minutes is more than 20 % above
    /// that of the hour before.
    UpstreamTime = "upstream_time",
        "upstreams are more than 20 % slower than in the hour before (95th percentile)";
}

/// A state that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of which nginx.
    pub nginx: String,
    /// Which one.
    pub threshold: Threshold,
    /// Whether it is exceeded now.
    pub exceeded: bool,
}

/// The states of every nginx.
#[derive(Debug, Default)]
pub struct Thresholds {
    judges: HashMap<String, Judge>,
}

impl Thresholds {
    /// Judges what the agent exports now; what has changed. Call it every [`EVERY`].
    pub fn look(&mut self, now: Instant, snapshot: &Snapshot) -> Vec<Change> {
        let names = snapshot.labels("nginx_workers", "nginx", |_| true);
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        self.judges
            .retain(|name, _| names.binary_search(&&**name).is_ok());
        let mut changes = Vec::new();
        for nginx in names {
            let judge = self.judges.entry(nginx.to_owned()).or_default();
            let before = judge.exceeded();
            judge.look(now, Reading::of(snapshot, nginx));
            let exceeded = judge.exceeded();
            for (at, threshold) in Threshold::ALL.into_iter().enumerate() {
                if before[at] != exceeded[at] {
                    changes.push(Change {
                        nginx: nginx.to_owned(),
                        threshold,
                        exceeded: exceeded[at],
                    });
                }
            }
        }
        changes
    }
}

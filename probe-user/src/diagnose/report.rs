//! What `diagnose` says, as data.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;

use super::{
    latency::Latency,
    vitals::{self, Vital},
    ways::{Failures, Way},
};
use crate::{
    agent::Watched,
    clock::Time,
    correlator::Incident,
    facts::Instance,
    records::Record,
    snapshot::{Labels, Snapshot, whole},
};

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The agent's.
    pub version: &'static str,
    /// Which host.
    pub host: String,
    /// When the watching began.
    pub since: Time,
    /// For how long, in seconds.
    pub seconds: f64,
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// Every nginx that was there.
    pub nginx: Vec<OfNginx>,
    /// Every incident, in the order in which they began.
    pub incidents: Vec<OfIncident>,
    /// What else happened: deaths, births, reloads.
    pub records: Vec<Record>,
    /// Of those that happened more than are shown.
    pub records_left_out: u64,
    /// Sources that gave nothing, so that what they tell is not known.
    pub blind: Vec<String>,
    /// What the kernel could not deliver.
    pub lost: u64,
}

/// One nginx.
#[derive(Clone, Debug, Serialize)]
pub struct OfNginx {
    /// Its master's pid file.
    pub instance: String,
    /// Answers of any status; none when nothing counts them.
    pub responses: Option<u64>,
    /// Failed ones by status.
    pub failed: BTreeMap<u16, u64>,
    /// All of those.
    pub failed_total: u64,
    /// Upstreams that failed, of which clients saw nothing.
    pub masked: u64,
    /// Why they failed.
    pub ways: Vec<Way>,
    /// Vital signs.
    pub vitals: Vec<Vital>,
    /// How long requests took, where a log tells.
    pub requests: Option<Latency>,
    /// How long upstreams took, where a log tells.
    pub upstreams: Option<Latency>,
}

/// An incident, and whose.
#[derive(Clone, Debug, Serialize)]
pub struct OfIncident {
    /// Which nginx.
    pub instance: Instance,
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
}

impl Report {
    /// Of what was watched.
    #[must_use]
    pub fn of(watched: Watched, host: String, since: Time, lasted: Duration) -> Self {
        let [before, after] = watched.metrics.each_ref().map(|text| Snapshot::parse(text));
        let seconds = lasted.as_secs_f64();
        // One that went down, or has no master, counts no workers.
        let told = watched.incidents.iter().map(|(instance, _)| &**instance);
        let running = after.labels("nginx_workers", "nginx", |_| true);
        let names: BTreeSet<&str> = running
            .chain(told)
            .filter(|name| !name.is_empty())
            .collect();
        let nginx: Vec<_> = names
            .into_iter()
            .map(|name| {
                let seen = watched.unseen.iter().all(|unseen| **unseen != *name);
                OfNginx::of(&before, &after, name, seconds, seen)
            })
            .collect();
        let down = after.labels("nginx_probe_source_up", "source", |up| up < 0.5);
        let mut blind: Vec<String> = down.map(str::to_owned).collect();
        blind.sort_unstable();
        let lost = |snapshot: &Snapshot| snapshot.total("nginx_probe_events_lost_total");
        let healthy = watched.incidents.is_empty()
            && nginx.iter().all(OfNginx::is_healthy)
            && !nginx.is_empty();
        let incidents = watched.incidents.into_iter();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            host,
            since,
            seconds,
            healthy,
            nginx,
            incidents: incidents
                .map(|(instance, incident)| OfIncident { instance, incident })
                .collect(),
            records: watched.records,
            records_left_out: watched.left_out,
            blind,
            lost: whole(lost(&after) - lost(&before)),
        }
    }
}

impl Report {
    /// Whether nothing is known of the responses of any nginx.
    #[must_use]
    pub fn saw_nothing(&self) -> bool {
        self.incidents.is_empty() && self.nginx.iter().all(|nginx| nginx.responses.is_none())
    }
}

impl OfNginx {
    fn of(before: &Snapshot, after: &Snapshot, name: &str, seconds: f64, seen: bool) -> Self {
        let failures = Failures::of(before, after, name);
        let seen_by = |source: &'static str| {
            let by = |labels: &Labels| labels.get("seen_by").is_some_and(|by| by == source);
            let counted =
                |snapshot: &Snapshot| snapshot.sum("nginx_http_responses_total", name, by);
            counted(after).map(|now| whole(now - counted(before).unwrap_or(0.0)))
        };
        let latency = |what: &str| Latency::of(before, after, what, name);
        Self {
            instance: name.to_owned(),
            // Each sees what the other may not: TLS, or what is not logged. What nothing sees is
            // not zero.
            responses: seen_by("kernel").max(seen_by("log")).filter(|_| seen),
            failed: failures.codes.clone(),
            failed_total: failures.total(),
            masked: failures.masked,
            ways: failures.ways(),
            vitals: vitals::of(before, after, name, seconds),
            requests: latency("nginx_http_request_duration_seconds"),
            upstreams: latency("nginx_http_upstream_duration_seconds"),
        }
    }

    fn is_healthy(&self) -> bool {
        self.responses.is_some()
            && self.failed_total == 0
            && self.vitals.iter().all(|vital| vital.ok)
    }
}

//! What the agent said: its counters, and its records with the moment at which each was read.

use std::collections::BTreeMap;
use std::time::SystemTime;

use nginx_probe_tests::metrics;
use nginx_probe_tests::records::is;
use serde_json::Value;

use super::truth::{Class, Kind};

/// All that the agent said so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Failed responses by status and cause.
    pub(super) responses: BTreeMap<u16, BTreeMap<String, u64>>,
    /// Deaths of workers by reason, without the graceful ones.
    pub(super) deaths: BTreeMap<String, u64>,
    /// Requests that draining workers cut off.
    pub(super) lost: u64,
    /// Causes of the incidents that were opened, and how many of each there were at most about one
    /// upstream, or about none.
    pub(super) incidents: BTreeMap<String, u64>,
    /// Each record, and when it was read.
    pub(super) records: Vec<(SystemTime, Value)>,
}

impl Told {
    pub(super) fn new(metrics: &str, records: Vec<(SystemTime, Value)>) -> Self {
        let mut told = Self::default();
        let name = "nginx_http_error_responses_total";
        for ([code, cause], sum) in metrics::by_labels(metrics, name, ["code", "cause"]) {
            let count = whole(sum);
            if let Ok(code) = code.parse()
                && count > 0
            {
                told.responses.entry(code).or_default().insert(cause, count);
            }
        }
        let name = "nginx_worker_exits_total";
        for ([role, reason], sum) in metrics::by_labels(metrics, name, ["role", "reason"]) {
            if role == "worker" && reason != "graceful" && whole(sum) > 0 {
                told.deaths.insert(reason, whole(sum));
            }
        }
        told.take(records);
        told
    }

    /// Takes the records, which are all so far.
    pub(super) fn take(&mut self, records: Vec<(SystemTime, Value)>) {
        self.incidents.clear();
        self.lost = 0;
        let mut opened: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (_, record) in &records {
            if is_cut_off(record) {
                self.lost += record["lost_requests"].as_array().map_or(0, Vec::len) as u64;
            }
            if is(record, "incident")
                && record["state"] == "opened"
                && let Some(cause) = record["cause"].as_str()
            {
                let upstream = record["upstream"].as_str().unwrap_or_default();
                let of = (cause.to_owned(), upstream.to_owned());
                *opened.entry(of).or_default() += 1;
            }
        }
        for ((cause, _), count) in opened {
            let most = self.incidents.entry(cause).or_default();
            *most = count.max(*most);
        }
        self.records = records;
    }

    /// How many failed responses were told with this status, whatever their cause.
    pub(super) fn responses_with(&self, code: u16) -> u64 {
        let by_cause = self.responses.get(&code);
        by_cause.map_or(0, |causes| causes.values().sum())
    }

    /// Records of a class's answers, by its paths, that say none of these causes.
    pub(super) fn astray(&self, class: &Class, causes: &[&str]) -> u64 {
        let Kind::Responses(code) = class.kind else {
            return 0;
        };
        let of_class = |record: &&Value| {
            let path = record["path"].as_str().unwrap_or_default();
            is(record, "response")
                && record["status"] == code
                && class.paths.iter().any(|known| known == path)
        };
        let records = self.records.iter().map(|(_, record)| record);
        records
            .filter(of_class)
            .filter_map(|record| record["cause"].as_str())
            .filter(|cause| *cause != "unknown" && !causes.contains(cause))
            .count() as u64
    }

    /// Seconds from the first failure of a class to the first record that says one of these causes
    /// of it.
    pub(super) fn seconds(&self, class: &Class, causes: &[&str]) -> Option<f64> {
        let says = |record: &Value| {
            let right = record["cause"]
                .as_str()
                .is_some_and(|cause| cause != "unknown" && causes.contains(&cause));
            match class.kind {
                Kind::Responses(code) => {
                    let code_text = code.to_string();
                    right
                        && (is(record, "response") && record["status"] == code
                            || is(record, "incident")
                                && record["responses"].get(code_text).is_some())
                }
                Kind::Deaths(reason) => is(record, "worker_exit") && record["reason"] == reason,
                Kind::Lost => is_cut_off(record),
                Kind::State => right && is(record, "incident"),
            }
        };
        let (read, _) = self.records.iter().find(|(_, record)| says(record))?;
        // A record may be read before the client has looked at its answer.
        Some(
            read.duration_since(class.first)
                .unwrap_or_default()
                .as_secs_f64(),
        )
    }
}

/// The end of a worker that drained for longer than it may.
fn is_cut_off(record: &Value) -> bool {
    is(record, "worker_exit") && record["detail"] == "shutdown_timeout"
}

fn whole(sum: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters of a short run, never below zero"
    )]
    let count = sum.round() as u64;
    count
}

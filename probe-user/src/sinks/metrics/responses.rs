//! Answers to clients: how many of each status, why they failed, how long they took.

use std::collections::BTreeMap;

use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::Registry,
};

use super::{
    labels::{OfFailure, OfNginx, OfResponse},
    series::Series,
};
use crate::correlator::Cause;

/// The failures of which every instance has a counter from the start, beside every cause.
const USUAL_FAILURES: [u16; 4] = [500, 502, 503, 504];

/// Upper bounds in seconds. nginx logs milliseconds, and its usual time-out is 60 s.
const BUCKETS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

pub(super) struct Responses {
    answers: Series<OfResponse, Counter>,
    failures: Series<OfFailure, Counter>,
    request_duration: Series<OfNginx, Histogram>,
    upstream_duration: Series<OfNginx, Histogram>,
}

/// The histograms of one nginx.
#[derive(Clone, Debug)]
pub struct Durations {
    /// From a request's first byte to the last of its answer, in seconds.
    pub request: Histogram,
    /// What an upstream took, every attempt by itself, in seconds.
    pub upstream: Histogram,
}

impl Responses {
    pub(super) fn new(r: &mut Registry) -> Self {
        let histogram = || Histogram::new(BUCKETS);
        let new = Self {
            answers: Series::new(Counter::default),
            failures: Series::new(Counter::default),
            request_duration: Series::new(histogram),
            upstream_duration: Series::new(histogram),
        };
        new.answers
            .register(r, "nginx_http_responses", "Answers to clients");
        new.failures.register(
            r,
            "nginx_http_error_responses",
            "Failed answers to clients, by cause",
        );
        new.request_duration.register(
            r,
            "nginx_http_request_duration_seconds",
            "Time from the first byte of a request to the last of its answer, where the log has it",
        );
        new.upstream_duration.register(
            r,
            "nginx_http_upstream_duration_seconds",
            "Time that an upstream took for one attempt, where the log has it",
        );
        new
    }

    pub(super) fn begin(&self, nginx: &str) {
        let none = USUAL_FAILURES.map(|code| (code, 0)).into();
        self.count(nginx, &none);
        self.count_seen(nginx, &none);
        for code in USUAL_FAILURES {
            for cause in Cause::ALL {
                self.failures.of(&of_failure(nginx, code, cause));
            }
        }
    }

    pub(super) fn forget(&self, nginx: &str) {
        self.answers.forget(nginx);
        self.failures.forget(nginx);
        self.request_duration.forget(nginx);
        self.upstream_duration.forget(nginx);
    }

    pub(super) fn count(&self, nginx: &str, codes: &BTreeMap<u16, u64>) {
        self.count_by(nginx, codes, "log");
    }

    /// Answers that the kernel half saw.
    pub(super) fn count_seen(&self, nginx: &str, codes: &BTreeMap<u16, u64>) {
        self.count_by(nginx, codes, "kernel");
    }

    fn count_by(&self, nginx: &str, codes: &BTreeMap<u16, u64>, seen_by: &'static str) {
        for (code, count) in codes {
            let labels = OfResponse {
                nginx: nginx.to_owned(),
                code: *code,
                seen_by,
            };
            self.answers.of(&labels).inc_by(*count);
        }
    }

    pub(super) fn failed(&self, nginx: &str, code: u16, cause: Cause, count: u64) {
        self.failures
            .of(&of_failure(nginx, code, cause))
            .inc_by(count);
    }

    pub(super) fn durations(&self, nginx: &str) -> Durations {
        let nginx = nginx.to_owned();
        let labels = OfNginx { nginx };
        Durations {
            request: self.request_duration.of(&labels),
            upstream: self.upstream_duration.of(&labels),
        }
    }
}

fn of_failure(nginx: &str, code: u16, cause: Cause) -> OfFailure {
    OfFailure {
        nginx: nginx.to_owned(),
        code,
        cause: cause.as_str(),
    }
}

//! nginx's own counters, under the names that nginx-prometheus-exporter has for them.
//!
//! `nginx_connections_accepted` and `_handled` are counters there, without the suffix `_total` that
//! `OpenMetrics` demands of a counter: here their type is `unknown`, so that the names stay.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::Metrics;
use crate::stub_status::Counters;

/// What each nginx with a `stub_status` said last; none for one that does not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Arc<Mutex<BTreeMap<String, Option<Counters>>>>);

impl Table {
    pub(super) fn forget(&self, nginx: &str) {
        if let Ok(mut table) = self.0.lock() {
            table.remove(nginx);
        }
    }
}

impl Metrics {
    /// What an nginx with a `stub_status` says; none when it does not answer.
    pub fn set_stub_status(&self, nginx: &str, counters: Option<Counters>) {
        if let Ok(mut table) = self.stub_status.0.lock() {
            table.insert(nginx.to_owned(), counters);
        }
    }

    /// Ends the series of an nginx that has no `stub_status` any more.
    pub fn end_stub_status(&self, nginx: &str) {
        self.stub_status.forget(nginx);
    }
}

/// A metric: name, help, type, value.
type Shown = (&'static str, &'static str, MetricType, fn(&Counters) -> u64);

const SHOWN: [Shown; 7] = [
    (
        "nginx_connections_active",
        "Open connections of clients",
        MetricType::Gauge,
        |counters| counters.active,
    ),
    (
        "nginx_connections_accepted",
        "Accepted connections of clients",
        MetricType::Unknown,
        |counters| counters.accepted,
    ),
    (
        "nginx_connections_handled",
        "Handled connections of clients",
        MetricType::Unknown,
        |counters| counters.handled,
    ),
    (
        "nginx_connections_reading",
        "Connections whose request is being read",
        MetricType::Gauge,
        |counters| counters.reading,
    ),
    (
        "nginx_connections_writing",
        "Connections that are being answered",
        MetricType::Gauge,
        |counters| counters.writing,
    ),
    (
        "nginx_connections_waiting",
        "Idle connections that are kept alive",
        MetricType::Gauge,
        |counters| counters.waiting,
    ),
    (
        "nginx_http_requests",
        "Requests of clients",
        MetricType::Counter,
        |counters| counters.requests,
    ),
];

impl Collector for Table {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Ok(table) = self.0.lock() else {
            return Ok(());
        };
        let mut family = encoder.encode_descriptor(
            "nginx_up",
            "1 while nginx answers where its stub_status is",
            None,
            MetricType::Gauge,
        )?;
        for (nginx, counters) in table.iter() {
            let labels = [("nginx", nginx.as_str())];
            ConstGauge::new(i64::from(counters.is_some()))
                .encode(family.encode_family(&labels)?)?;
        }
        for (name, help, kind, value) in SHOWN {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (nginx, counters) in table.iter() {
                let Some(value) = counters.as_ref().map(value) else {
                    continue;
                };
                let labels = [("nginx", nginx.as_str())];
                let series = family.encode_family(&labels)?;
                if matches!(kind, MetricType::Counter) {
                    ConstCounter::new(value).encode(series)?;
                } else {
                    ConstGauge::new(value).encode(series)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_exporter() {
        let metrics = Metrics::new();
        let counters = Counters {
            active: 1,
            accepted: 2,
            handled: 3,
            requests: 4,
            reading: 5,
            writing: 6,
            waiting: 7,
        };
        metrics.set_stub_status("/x", Some(counters));
        metrics.set_stub_status("/y", None);
        let text = metrics.encode().expect("text");
        for (name, value) in [
            ("nginx_up", 1),
            ("nginx_connections_active", 1),
            ("nginx_connections_accepted", 2),
            ("nginx_connections_handled", 3),
            ("nginx_http_requests_total", 4),
            ("nginx_connections_reading", 5),
            ("nginx_connections_writing", 6),
            ("nginx_connections_waiting", 7),
        ] {
            let line = format!("{name}{{nginx=\"/x\"}} {value}");
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let of = |text: &str, nginx: &str| text.matches(&format!("nginx=\"{nginx}\"")).count();
        assert!(text.contains("nginx_up{nginx=\"/y\"} 0\n") && of(&text, "/y") == 1);
        metrics.end_stub_status("/y");
        metrics.forget("/x");
        let text = metrics.encode().expect("text");
        assert_eq!((of(&text, "/x"), of(&text, "/y")), (0, 0));
    }
}

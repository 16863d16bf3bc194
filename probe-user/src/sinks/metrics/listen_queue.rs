//! Listen queues, by listener: the last pass as it is.

use std::sync::{Arc, Mutex};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::Metrics;
use crate::listen_queue::Listener;

/// The last pass, and how it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Arc<Mutex<Pass>>);

#[derive(Debug, Default)]
struct Pass {
    listeners: Vec<Listener>,
    overflows: u64,
}

impl Metrics {
    /// Every listener as it is now, and how often a queue was found full since the last call.
    pub fn set_listeners(&self, listeners: Vec<Listener>, overflows: u64) {
        if let Ok(mut pass) = self.listen_queue.0.lock() {
            pass.listeners = listeners;
            pass.overflows = pass.overflows.saturating_add(overflows);
        }
    }
}

/// A gauge of a listener: name, help, value.
type OfListener = (&'static str, &'static str, fn(&Listener) -> u64);

const GAUGES: [OfListener; 2] = [
    (
        "nginx_listen_queue_length",
        "Connections that wait to be accepted, in all sockets of the listener",
        |listener| listener.length,
    ),
    (
        "nginx_listen_queue_limit",
        "Connections that may wait to be accepted, in each socket of the listener",
        |listener| listener.limit,
    ),
];

impl Collector for Table {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Ok(pass) = self.0.lock() else {
            return Ok(());
        };
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for listener in &pass.listeners {
                let labels = [
                    ("nginx", listener.instance.to_string()),
                    ("listener", listener.name.clone()),
                ];
                ConstGauge::new(value(listener)).encode(family.encode_family(&labels)?)?;
            }
        }
        let overflows = encoder.encode_descriptor(
            "nginx_listen_overflows",
            "Tries to connect that found a full listen queue, in the network namespaces of nginx",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(pass.overflows).encode(overflows)
    }
}

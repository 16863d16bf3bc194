//! What workers hold and use, by slot, and what the host has left.
//!
//! The last pass over `/proc` as it is: a slot that is gone from it has no series.

use std::sync::{Arc, Mutex};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::Metrics;
use crate::processes::{Host, Series};

/// The last pass, and how it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Arc<Mutex<Pass>>);

#[derive(Debug, Default)]
struct Pass {
    slots: Vec<Series>,
    host: Host,
}

impl Metrics {
    /// What every worker slot holds and uses now, and what the host has left.
    pub fn set_processes(&self, slots: Vec<Series>, host: Host) {
        if let Ok(mut pass) = self.processes.0.lock() {
            *pass = Pass { slots, host };
        }
    }
}

impl Collector for Table {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Ok(pass) = self.0.lock() else {
            return Ok(());
        };
        of_slots(&mut encoder, &pass.slots)?;
        of_host(&mut encoder, &pass.host)
    }
}

/// A gauge of a slot's worker: name, help, unit, value.
type OfSlot = (
    &'static str,
    &'static str,
    Option<Unit>,
    fn(&Series) -> Option<u64>,
);

fn of_slots(encoder: &mut DescriptorEncoder<'_>, slots: &[Series]) -> std::fmt::Result {
    let gauges: [OfSlot; 4] = [
        (
            "nginx_worker_open_fds",
            "Open file descriptors of the worker",
            None,
            |slot| slot.held?.open_fds,
        ),
        (
            "nginx_worker_max_fds",
            "Limit of the worker's open file descriptors (soft)",
            None,
            |slot| slot.held?.max_fds,
        ),
        (
            "nginx_worker_resident_memory",
            "Resident memory of the worker",
            Some(Unit::Bytes),
            |slot| Some(slot.held?.resident_bytes),
        ),
        (
            "nginx_worker_max_connections",
            "Connections that the worker may have open, to clients and upstreams",
            None,
            |slot| slot.held?.max_connections.map(u64::from),
        ),
    ];
    for (name, help, unit, value) in gauges {
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for slot in slots {
            if let Some(value) = value(slot) {
                let labels = labels(slot);
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    let mut family = encoder.encode_descriptor(
        "nginx_worker_cpu",
        "Processor time of the workers that had this slot",
        Some(&Unit::Seconds),
        MetricType::Counter,
    )?;
    for slot in slots {
        let labels = labels(slot);
        ConstCounter::new(slot.cpu_seconds).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn labels(slot: &Series) -> [(&'static str, String); 2] {
    [
        ("nginx", slot.instance.to_string()),
        ("worker", slot.slot.to_string()),
    ]
}

fn of_host(encoder: &mut DescriptorEncoder<'_>, host: &Host) -> std::fmt::Result {
    let gauges = [
        (
            "nginx_probe_host_memory",
            "Memory of the host",
            Some(Unit::Bytes),
            host.memory_bytes,
        ),
        (
            "nginx_probe_host_memory_available",
            "Memory of the host that can be had without swapping",
            Some(Unit::Bytes),
            host.memory_available_bytes,
        ),
        (
            "nginx_probe_host_open_files",
            "Open files of all processes of the host",
            None,
            host.open_files,
        ),
        (
            "nginx_probe_host_max_files",
            "Limit of the host's open files",
            None,
            host.max_files,
        ),
    ];
    for (name, help, unit, value) in gauges {
        if let Some(value) = value {
            let gauge = ConstGauge::new(value);
            let encoder =
                encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
    }
    let Some(stall) = host.memory_stall else {
        return Ok(());
    };
    let mut family = encoder.encode_descriptor(
        "nginx_probe_host_memory_stall",
        "Time in which tasks of the host waited for memory: some task, or all of them",
        Some(&Unit::Seconds),
        MetricType::Counter,
    )?;
    for (tasks, microseconds) in [("some", stall.some_us), ("full", stall.full_us)] {
        let labels = [("tasks", tasks)];
        ConstCounter::new(seconds(microseconds)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn seconds(microseconds: u64) -> f64 {
    std::time::Duration::from_micros(microseconds).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::{Held, Stall};

    #[test]
    fn what_is_known_is_written_under_its_own_name() {
        let metrics = Metrics::new();
        let held = Held {
            open_fds: Some(12),
            max_fds: None,
            resident_bytes: 4096,
            max_connections: Some(512),
        };
        let series = |slot, held| Series {
            instance: "/run/\"x\".pid".into(),
            slot,
            cpu_seconds: 1.25,
            held,
        };
        let host = Host {
            open_files: Some(3),
            memory_available_bytes: Some(5),
            memory_stall: Some(Stall {
                some_us: 1_500_000,
                full_us: 0,
            }),
            ..Host::default()
        };
        metrics.set_processes(vec![series(0, Some(held)), series(1, None)], host);
        let text = metrics.encode().expect("text");
        for line in [
            r#"nginx_worker_open_fds{nginx="/run/\"x\".pid",worker="0"} 12"#,
            r#"nginx_worker_resident_memory_bytes{nginx="/run/\"x\".pid",worker="0"} 4096"#,
            r#"nginx_worker_max_connections{nginx="/run/\"x\".pid",worker="0"} 512"#,
            r#"nginx_worker_cpu_seconds_total{nginx="/run/\"x\".pid",worker="0"} 1.25"#,
            r#"nginx_worker_cpu_seconds_total{nginx="/run/\"x\".pid",worker="1"} 1.25"#,
            "nginx_probe_host_open_files 3",
            "nginx_probe_host_memory_available_bytes 5",
            r#"nginx_probe_host_memory_stall_seconds_total{tasks="some"} 1.5"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("nginx_worker_max_fds{"));
        assert!(!text.contains("nginx_probe_host_max_files"));
        assert!(!text.contains("open_fds{nginx=\"/run/\\\"x\\\".pid\",worker=\"1\""));
        metrics.set_processes(Vec::new(), Host::default());
        assert!(!metrics.encode().expect("text").contains("worker=\"0\""));
    }
}

//! The agent's own `process_*` metrics, read when they are asked for.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::usage::Usage;

/// Measures this process at each scrape.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(usage) = Usage::of_self() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(usage.cpu_seconds);
        let cpu_encoder = encoder.encode_descriptor(
            "process_cpu",
            "Processor time used",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?;
        cpu.encode(cpu_encoder)?;
        let gauges = [
            (
                "process_resident_memory",
                "Resident memory",
                Some(Unit::Bytes),
                usage.resident_bytes,
            ),
            (
                "process_virtual_memory",
                "Virtual memory",
                Some(Unit::Bytes),
                usage.virtual_bytes,
            ),
            (
                "process_open_fds",
                "Open file descriptors",
                None,
                usage.open_fds,
            ),
            (
                "process_max_fds",
                "Limit of open file descriptors",
                None,
                usage.max_fds,
            ),
            (
                "process_start_time",
                "Start, in Unix time",
                Some(Unit::Seconds),
                usage.start_time,
            ),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(value);
            let encoder =
                encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        Ok(())
    }
}

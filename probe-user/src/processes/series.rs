//! The series of worker slots. A slot's process changes; its processor time only grows.

use std::collections::BTreeMap;

use super::{Sample, Subject};
use crate::facts::Instance;

/// Ticks of processor time in a second: `USER_HZ` is 100 wherever nginx runs.
const TICKS_PER_SECOND: f64 = 100.0;
/// Passes for which an empty slot that the configuration still asks for is kept: 1 min. A worker
/// that dies is back within a second, unless it cannot be started.
const KEEP_EMPTY: u32 = 30;

/// What is exported of a worker slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which nginx.
    pub instance: Instance,
    /// Which slot.
    pub slot: u32,
    /// Processor time in seconds of all workers that had the slot.
    pub cpu_seconds: f64,
    /// What the slot's worker holds; none while it has no worker.
    pub held: Option<Held>,
}

/// What a worker holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Open descriptors; none when they cannot be counted.
    pub open_fds: Option<u64>,
    /// How many it may have open.
    pub max_fds: Option<u64>,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// How many connections it may have.
    pub max_connections: Option<u32>,
}

impl Series {
    pub(super) fn of(subject: &Subject, slot: u32, sample: &Sample) -> Self {
        Self {
            instance: subject.instance.clone(),
            slot,
            cpu_seconds: 0.0,
            held: Some(Held {
                open_fds: sample.usage.open_fds,
                max_fds: sample.max_fds,
                resident_bytes: sample.usage.resident_bytes,
                max_connections: subject.max_connections,
            }),
        }
    }
}

/// Processor time by slot.
#[derive(Debug, Default)]
pub(super) struct CpuOfSlots(BTreeMap<(Instance, u32), Used>);

#[derive(Debug, Default)]
struct Used {
    ticks: u64,
    /// The last pass in which the slot had a worker.
    pass: u32,
}

impl CpuOfSlots {
    pub(super) fn add(&mut self, instance: &Instance, slot: u32, ticks: u64, pass: u32) {
        let used = self.0.entry((instance.clone(), slot)).or_default();
        used.ticks = used.ticks.saturating_add(ticks);
        used.pass = pass;
    }

    /// Completes the series, adds those of slots that are empty for a moment, sorts them, and
    /// forgets slots that are no more.
    pub(super) fn fill(
        &mut self,
        series: &mut Vec<Series>,
        pass: u32,
        configured: impl Fn(&str) -> Option<u32>,
    ) {
        self.0.retain(|(instance, slot), used| {
            used.pass == pass
                || (pass.wrapping_sub(used.pass) < KEEP_EMPTY
                    && configured(instance).is_some_and(|count| *slot < count))
        });
        for ((instance, slot), used) in &self.0 {
            if used.pass != pass {
                series.push(Series {
                    instance: instance.clone(),
                    slot: *slot,
                    cpu_seconds: 0.0,
                    held: None,
                });
            }
        }
        for series in series.iter_mut() {
            if let Some(used) = self.0.get(&(series.instance.clone(), series.slot)) {
                series.cpu_seconds = seconds(used.ticks);
            }
        }
        series.sort_by(|a, b| (&a.instance, a.slot).cmp(&(&b.instance, b.slot)));
    }
}

fn seconds(ticks: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the first 2 million years"
    )]
    let ticks = ticks as f64;
    ticks / TICKS_PER_SECOND
}

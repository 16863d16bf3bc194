//! What every worker uses: descriptors, processor time, memory, threads, its state.
//!
//! Read from `/proc` in one pass over all workers and masters, every [`EVERY`]. What a worker used
//! between its last pass and its end is not known, and what drains is known by process only.

mod host;
mod read;
mod series;

use std::{collections::HashMap, path::Path, time::Duration};

use crate::facts::Instance;

use self::series::CpuOfSlots;
pub use self::{
    host::{Host, Stall},
    read::{Reader, Usage},
    series::{Held, Series},
};

/// Between two passes.
pub const EVERY: Duration = Duration::from_secs(2);
/// Passes between two looks at a process's limits, which seldom change: 30 s.
const PASSES_PER_LIMIT: u32 = 15;
/// Passes for which what a process last used is kept after it was last seen: 10 s.
const KEEP_PASSES: u32 = 5;
/// Processes that are sampled in one pass; a host with more of nginx is not imagined.
const MAX_PROCESSES: usize = 16 * 1024;

/// A process to look at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Process id in the pid namespace of the `/proc` that is read.
    pub pid: u32,
    /// Which nginx it is of.
    pub instance: Instance,
    /// Its slot, for a worker that has one.
    pub slot: Option<u32>,
    /// `worker_connections` of its configuration, as far as that is known.
    pub max_connections: Option<u32>,
}

/// What a process used when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What the pass saw.
    pub usage: Usage,
    /// The soft limit of its descriptors; none when it has no limit or tells none.
    pub max_fds: Option<u64>,
    /// For how many passes it has been in the states `D`, `T` or `t`, this one included: waiting for
    /// a device, or stopped.
    pub stuck_passes: u32,
}

/// Every sampled process.
#[derive(Debug)]
pub struct Processes {
    reader: Reader,
    known: HashMap<u32, Known>,
    cpu: CpuOfSlots,
    pass: u32,
}

#[derive(Debug)]
struct Known {
    sample: Sample,
    /// The pass that saw it last.
    pass: u32,
    /// The pass that read its limits.
    limit_pass: u32,
}

impl Processes {
    /// Nothing is known yet. `proc_root` is where the proc file system is mounted.
    #[must_use]
    pub fn new(proc_root: &Path) -> Self {
        Self {
            reader: Reader::new(proc_root),
            known: HashMap::new(),
            cpu: CpuOfSlots::default(),
            pass: 0,
        }
    }

    /// Looks at every process once and gives the series of the workers that have a slot, in order.
    /// `configured` gives how many workers an instance ought to have.
    pub fn sample(
        &mut self,
        subjects: &[Subject],
        configured: impl Fn(&str) -> Option<u32>,
    ) -> Vec<Series> {
        self.pass = self.pass.wrapping_add(1);
        let mut series = Vec::new();
        for subject in subjects.iter().take(MAX_PROCESSES) {
            let before = self.known.get(&subject.pid).map(|known| known.sample.usage);
            let Some(sample) = self.look(subject.pid) else {
                continue;
            };
            let Some(slot) = subject.slot else {
                continue;
            };
            let used = before
                .filter(|before| before.start_ticks == sample.usage.start_ticks)
                .map_or(sample.usage.cpu_ticks, |before| {
                    sample.usage.cpu_ticks.saturating_sub(before.cpu_ticks)
                });
            self.cpu.add(&subject.instance, slot, used, self.pass);
            series.push(Series::of(subject, slot, &sample));
        }
        let pass = self.pass;
        self.known
            .retain(|_, known| pass.wrapping_sub(known.pass) < KEEP_PASSES);
        self.cpu.fill(&mut series, pass, configured);
        series
    }

    /// What a process used when it was last looked at; a few seconds after its end, that too.
    #[must_use]
    pub fn last(&self, pid: u32) -> Option<&Sample> {
        self.known.get(&pid).map(|known| &known.sample)
    }

    /// What the whole host has left.
    pub fn host(&mut self) -> Host {
        self.reader.host()
    }

    fn look(&mut self, pid: u32) -> Option<Sample> {
        let usage = self.reader.usage(pid)?;
        let before = self
            .known
            .get(&pid)
            .filter(|known| known.sample.usage.start_ticks == usage.start_ticks);
        let (max_fds, limit_pass) = match before {
            Some(known) if self.pass.wrapping_sub(known.limit_pass) < PASSES_PER_LIMIT => {
                (known.sample.max_fds, known.limit_pass)
            }
            _ => (self.reader.max_fds(pid), self.pass),
        };
        let stuck = matches!(usage.state, b'D' | b'T' | b't');
        let stuck_before = before.map_or(0, |known| known.sample.stuck_passes);
        let sample = Sample {
            usage,
            max_fds,
            stuck_passes: if stuck {
                stuck_before.saturating_add(1)
            } else {
                0
            },
        };
        let known = Known {
            sample,
            pass: self.pass,
            limit_pass,
        };
        self.known.insert(pid, known);
        Some(sample)
    }
}

#[cfg(test)]
mod tests;

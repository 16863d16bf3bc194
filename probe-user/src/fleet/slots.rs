//! Worker slots: the number that stands for a worker in metric labels, where a process id would
//! make a new series with each death and each reload.
//!
//! The workers that an instance's newest configuration runs with have the slots 0, 1, 2 …, each
//! the lowest that was free when it came, and keep theirs while they live. So a replacement takes
//! the slot of the dead one, and after a reload or an upgrade the new workers begin at 0 while the
//! old ones, which lose theirs, drain. An upgrade that is taken back gives them slots again.

use std::collections::{BTreeSet, HashMap};

use super::{
    Fleet, Track,
    process::{Child, Kind, Process},
};
use crate::facts::{Instance, Role};

/// A worker that runs.
#[derive(Clone, Copy, Debug)]
pub struct Worker<'a> {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// The master that forked it, which may be gone.
    pub master: u32,
    /// Which nginx it is of.
    pub instance: &'a Instance,
    /// Its slot; none while it drains, or while workers of a newer configuration run beside it.
    pub slot: Option<u32>,
}

/// What decides whose workers have the slots: a living master before a dead one's orphans, then
/// the newer configuration.
type Rank = (bool, u32);

impl<T: Track> Fleet<T> {
    /// Every worker that runs, draining ones too, in no order.
    pub fn workers(&self) -> impl Iterator<Item = Worker<'_>> {
        self.processes.iter().filter_map(|(pid, process)| {
            let child = process.child().filter(|child| child.role == Role::Worker)?;
            Some(Worker {
                pid: *pid,
                master: process.parent,
                instance: &child.instance,
                slot: child.slot,
            })
        })
    }

    /// Gives slots to workers that came, and takes them from those that drain.
    pub(super) fn assign_slots(&mut self) {
        let newest = self.newest();
        let mut taken: HashMap<Instance, BTreeSet<u32>> = HashMap::new();
        let mut without: Vec<(u64, u32)> = Vec::new();
        for (pid, process) in &mut self.processes {
            let rank = rank(process, self.masters.contains_key(&process.parent));
            let started_ns = process.started_ns;
            let Some(child) = process.child_mut() else {
                continue;
            };
            if rank.is_none() || rank.as_ref() != newest.get(&child.instance) {
                child.slot = None;
            } else if let Some(slot) = child.slot {
                taken
                    .entry(child.instance.clone())
                    .or_default()
                    .insert(slot);
            } else {
                without.push((started_ns, *pid));
            }
        }
        without.sort_unstable();
        for (_, pid) in without {
            if let Some(child) = self.processes.get_mut(&pid).and_then(Process::child_mut) {
                let taken = taken.entry(child.instance.clone()).or_default();
                let slot = lowest_free(taken);
                taken.insert(slot);
                child.slot = Some(slot);
            }
        }
    }

    fn newest(&self) -> HashMap<Instance, Rank> {
        let mut newest: HashMap<Instance, Rank> = HashMap::new();
        for process in self.processes.values() {
            let has_master = self.masters.contains_key(&process.parent);
            if let (Some(rank), Some(child)) = (rank(process, has_master), process.child()) {
                match newest.get_mut(&child.instance) {
                    Some(best) => *best = rank.max(*best),
                    None => drop(newest.insert(child.instance.clone(), rank)),
                }
            }
        }
        newest
    }
}

/// Nothing for what takes no connections.
fn rank(process: &Process, has_master: bool) -> Option<Rank> {
    match &process.kind {
        Kind::Child(Child {
            role: Role::Worker,
            draining: false,
            generation,
            ..
        }) => Some((has_master, *generation)),
        _ => None,
    }
}

fn lowest_free(taken: &BTreeSet<u32>) -> u32 {
    (0..)
        .zip(taken)
        .find(|(number, slot)| number != *slot)
        .map_or_else(
            || u32::try_from(taken.len()).unwrap_or(u32::MAX),
            |(number, _)| number,
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_slot() {
        for (taken, free) in [
            (&[][..], 0),
            (&[1], 0),
            (&[0, 1, 2], 3),
            (&[0, 2, 3], 1),
            (&[0, 1, 7], 2),
        ] {
            let taken = taken.iter().copied().collect();
            assert_eq!(lowest_free(&taken), free, "{taken:?}");
        }
    }
}

//! Whose a listening socket is: the processes that have it open, and what they started.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs, io,
    os::unix::fs::MetadataExt as _,
};

use super::{Address, MAX_PROCESSES, pass::Wanted};
use crate::{
    facts::Instance,
    proc::{Proc, Status},
};

/// Generations between a process and the one that listens.
const MAX_DESCENT: usize = 64;
/// Keeps the sockets of services for them; whatever runs descends from it.
const MANAGER: &str = "systemd";

/// A program: a process that listens, and those that descend from it and run the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name of its first process, control bytes escaped.
    pub name: String,
    /// Which upstreams it serves.
    pub serves: BTreeSet<(Instance, Address)>,
    /// Its processes, the first of all first.
    pub members: Vec<Member>,
}

/// A process of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// When it was started, in nanoseconds since boot, to 10 ms.
    pub started_ns: u64,
    /// It was not just forked from the first: its memory is laid out differently.
    pub apart: bool,
}

/// Every program that one of these sockets belongs to, and how many processes there was no room for.
///
/// # Errors
/// When there is no list of processes.
pub(super) fn groups(
    proc: &Proc,
    wanted: &Wanted,
    names: &[String],
) -> io::Result<(Vec<Group>, usize)> {
    let mut seen: HashMap<u32, Status> = HashMap::new();
    let mut holders: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for pid in proc.pids()? {
        let Some(status) = proc.status(pid).filter(|status| !status.dead) else {
            continue;
        };
        if may_serve(pid, &status, names)
            && let Ok(open) = proc.sockets(pid)
        {
            let held: Vec<u64> = open
                .into_iter()
                .filter(|inode| wanted.contains_key(inode))
                .collect();
            if !held.is_empty() {
                holders.insert(pid, held);
            }
        }
        seen.insert(pid, status);
    }
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    let mut members: Vec<(u32, u32)> = Vec::new();
    for (pid, status) in &seen {
        if may_serve(*pid, status, names)
            && let Some(leader) = leader_of(proc, *pid, &seen, &holders)
        {
            members.push((leader, *pid));
        }
    }
    // Leaders come first, then the older ones.
    members.sort_unstable_by_key(|(leader, pid)| (*leader, leader != pid, *pid));
    let mut counts: HashMap<Instance, usize> = HashMap::new();
    let mut left_out = 0;
    for (leader, pid) in members {
        let (Some(first), Some(status)) = (seen.get(&leader), seen.get(&pid)) else {
            continue;
        };
        let group = groups.entry(leader).or_insert_with(|| Group {
            name: first.comm.as_bytes().escape_ascii().to_string(),
            serves: BTreeSet::new(),
            members: Vec::new(),
        });
        let held = holders.get(&pid).into_iter().flatten();
        let serves = held.filter_map(|inode| wanted.get(inode)).flatten();
        group.serves.extend(serves.cloned());
        let instances: HashSet<_> = group.serves.iter().map(|(of, _)| of.clone()).collect();
        let full = |of: &Instance| counts.get(of).is_some_and(|n| *n >= MAX_PROCESSES);
        if instances.iter().any(full) {
            left_out += 1;
            continue;
        }
        for instance in instances {
            *counts.entry(instance).or_default() += 1;
        }
        group.members.push(Member {
            pid,
            started_ns: status.started_ns,
            apart: status.stack_start != first.stack_start,
        });
    }
    let groups = groups.into_values().filter(|one| !one.members.is_empty());
    Ok((groups.collect(), left_out))
}

fn may_serve(pid: u32, status: &Status, names: &[String]) -> bool {
    pid > 1 && pid != std::process::id() && status.comm != MANAGER && !names.contains(&status.comm)
}

/// The first process of the program that this one belongs to: up from the nearest that listens, as
/// long as the one above it has one of its sockets. Itself it listens too, or runs the same file.
fn leader_of(
    proc: &Proc,
    pid: u32,
    seen: &HashMap<u32, Status>,
    holders: &BTreeMap<u32, Vec<u64>>,
) -> Option<u32> {
    let nearest = holder_from(pid, seen, holders)?;
    let same = || {
        let program = program_of(proc, nearest);
        program.is_some() && program == program_of(proc, pid)
    };
    if nearest != pid && !same() {
        return None;
    }
    let (mut leader, mut held) = (nearest, holders.get(&nearest)?);
    for _ in 0..MAX_DESCENT {
        let Some(above) = holder_from(seen.get(&leader)?.parent, seen, holders) else {
            break;
        };
        let theirs = holders.get(&above)?;
        if !theirs.iter().any(|inode| held.contains(inode)) {
            break;
        }
        (leader, held) = (above, theirs);
    }
    Some(leader)
}

/// The nearest that listens, from this one on upwards.
fn holder_from(
    pid: u32,
    seen: &HashMap<u32, Status>,
    holders: &BTreeMap<u32, Vec<u64>>,
) -> Option<u32> {
    let mut at = pid;
    for _ in 0..MAX_DESCENT {
        if holders.contains_key(&at) {
            return Some(at);
        }
        at = seen.get(&at)?.parent;
    }
    None
}

/// What tells a program's file from every other.
fn program_of(proc: &Proc, pid: u32) -> Option<(u64, u64)> {
    let file = fs::metadata(proc.root().join(pid.to_string()).join("exe")).ok()?;
    Some((file.dev(), file.ino()))
}

//! What is known of the programs behind nginx, and what the kernel half is to follow.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    path::PathBuf,
    sync::Arc,
};

use nginx_probe_ebpf::tracking::GROUPS;

use super::{
    Address, BackendServes, Group, Member,
    deaths::{Crashes, MAX_KEPT},
};
use crate::{
    clock::Time,
    crash::Mappings,
    facts::{Event, Fact, Instance},
    proc::Proc,
    signals::Sent,
};

/// Programs that are known at once.
const MAX_GROUPS: usize = 512;

/// Tells the kernel side which processes to follow.
pub trait Track {
    /// Begins to follow a process and what it forks; `false` when there is no room.
    fn track(&mut self, pid: u32, group: u32) -> bool;
    /// Ends it.
    fn untrack(&mut self, pid: u32);
}

/// Every program behind an nginx.
pub struct Table {
    pub(super) proc: Proc,
    pub(super) groups: BTreeMap<u32, Known>,
    pub(super) processes: HashMap<u32, (u32, Member)>,
    next: u32,
    /// Addresses that were told to be served.
    pub(super) serving: HashSet<(Instance, Arc<str>)>,
    /// The last signals that were sent, and the last victims of the OOM killer, whoever they are.
    pub(super) signals: VecDeque<(u32, Sent)>,
    pub(super) victims: VecDeque<(u32, u64)>,
    pub(super) crashes: Crashes,
    pub(super) facts: Vec<Fact>,
}

/// A program.
pub(super) struct Known {
    pub name: String,
    /// Its first process.
    pub leader: Member,
    pub serves: BTreeMap<Instance, Vec<Address>>,
    /// Where the files of its first process lie in memory.
    pub mappings: Option<Mappings>,
}

impl Known {
    pub(super) fn keys(&self) -> impl Iterator<Item = (Instance, Arc<str>)> {
        self.serves.iter().flat_map(|(instance, addresses)| {
            let keys = addresses.iter().map(Address::key);
            keys.map(|key| (instance.clone(), key))
        })
    }
}

impl Table {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(proc_root: impl Into<PathBuf>) -> Self {
        Self {
            proc: Proc::at(proc_root),
            groups: BTreeMap::new(),
            processes: HashMap::new(),
            next: 0,
            serving: HashSet::new(),
            signals: VecDeque::with_capacity(MAX_KEPT),
            victims: VecDeque::new(),
            crashes: Crashes::default(),
            facts: Vec::new(),
        }
    }

    /// Takes what a pass over all processes found; gives how many it did not know of, and how many
    /// of them could not be followed. A process is followed first and looked at again then, so that
    /// its end is seen either here or by the kernel.
    pub fn found(&mut self, found: Vec<Group>, kernel: &mut impl Track, now: Time) -> Found {
        let mut result = Found::default();
        let mut present = HashSet::new();
        let mut numbers = HashSet::new();
        for group in found.into_iter().take(MAX_GROUPS) {
            let Some(leader) = group.members.first().copied() else {
                continue;
            };
            let number = self.number_of(leader);
            numbers.insert(number);
            let mut alive = false;
            for member in &group.members {
                present.insert(member.pid);
                let known = self.processes.get(&member.pid);
                if known.is_some_and(|(of, known)| *of == number && is_same(known, member)) {
                    alive = true;
                    continue;
                }
                if !kernel.track(member.pid, number) {
                    result.without_room += 1;
                } else if self.is_alive(member) {
                    result.new += 1;
                    alive = true;
                    self.processes.insert(member.pid, (number, *member));
                } else {
                    kernel.untrack(member.pid);
                    self.processes.remove(&member.pid);
                }
            }
            self.know(number, leader, &group);
            if alive {
                self.serve(&group, now);
            }
        }
        self.processes.retain(|pid, _| {
            let keep = present.contains(pid);
            if !keep {
                kernel.untrack(*pid);
            }
            keep
        });
        self.groups.retain(|number, _| numbers.contains(number));
        let served: HashSet<_> = self.groups.values().flat_map(Known::keys).collect();
        self.serving.retain(|key| served.contains(key));
        result
    }

    /// How many processes are followed one by one, by instance.
    #[must_use]
    pub fn counts(&self) -> HashMap<Instance, usize> {
        let mut counts = HashMap::new();
        for (number, _) in self.processes.values() {
            for instance in self
                .groups
                .get(number)
                .iter()
                .flat_map(|one| one.serves.keys())
            {
                *counts.entry(instance.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// The facts since the last call.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    fn number_of(&mut self, leader: Member) -> u32 {
        let known = self
            .groups
            .iter()
            .find(|(_, known)| is_same(&known.leader, &leader));
        if let Some((number, _)) = known {
            return *number;
        }
        self.next = (self.next + 1) % GROUPS;
        self.next
    }

    fn know(&mut self, number: u32, leader: Member, group: &Group) {
        let mut serves: BTreeMap<Instance, Vec<Address>> = BTreeMap::new();
        for (instance, address) in &group.serves {
            let of = serves.entry(instance.clone()).or_default();
            of.push(address.clone());
        }
        if let Some(known) = self.groups.get_mut(&number) {
            known.serves = serves;
            group.name.clone_into(&mut known.name);
            return;
        }
        let mappings = Mappings::read(self.proc.root(), leader.pid).ok();
        let known = Known {
            name: group.name.clone(),
            leader,
            serves,
            mappings,
        };
        self.groups.insert(number, known);
    }

    /// Tells of addresses that are served since the last time, or again.
    fn serve(&mut self, group: &Group, now: Time) {
        for (instance, address) in &group.serves {
            let key = address.key();
            if self.serving.insert((instance.clone(), Arc::clone(&key))) {
                self.facts.push(Fact {
                    time: now,
                    instance: instance.clone(),
                    event: Event::BackendServes(BackendServes { key }),
                });
            }
        }
    }

    fn is_alive(&self, member: &Member) -> bool {
        let status = self.proc.status(member.pid);
        status.is_some_and(|now| !now.dead && now.started_ns == member.started_ns)
    }
}

/// What became of what a pass found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Processes that were not known before.
    pub new: usize,
    /// Processes that the kernel half has no room for.
    pub without_room: usize,
}

fn is_same(one: &Member, other: &Member) -> bool {
    (one.pid, one.started_ns) == (other.pid, other.started_ns)
}

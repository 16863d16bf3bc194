//! Every nginx on the host: its masters, their children, their births and deaths.
//!
//! Takes the kernel's records and `/proc`, and gives facts. The kernel side follows forks by
//! itself; what it cannot know (titles, configuration) is read here, after the fact: a title is
//! set some time after the fork, so a process is looked at until it says what it is.

mod attempt;
mod births;
mod children;
mod deaths;
mod down;
mod master;
mod naming;
mod orphans;
mod place;
mod process;
mod promote;
mod reload;
mod scan;
mod select;
mod serving;
mod settle;
mod single;
mod slots;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use nginx_probe_ebpf::{connection::Connection, record::Record};

use self::{
    master::Master,
    process::{Kind, Process},
};
use crate::{
    clock::Time,
    config,
    crash::Symbolizer,
    error_path::Messages,
    facts::{Event, Fact, Instance, Role},
    oom::KernelLog,
    proc::Proc,
};

pub use self::{naming::Naming, select::Selection, slots::Worker};

/// How long the files of a crash are kept for the next one.
const KEEP_FILES: Duration = Duration::from_mins(1);

/// Tells the kernel side which processes to follow.
pub trait Track {
    /// Begins to follow a process.
    fn track(&mut self, pid: u32);
    /// Ends it.
    fn untrack(&mut self, pid: u32);
    /// Whether records tell of forks, ends and signals. Where none do, `/proc` is all there is.
    fn tells(&self) -> bool {
        true
    }
    /// Begins to follow the requests of a worker, if they are not followed yet.
    fn follow(&mut self, _pid: u32) {}
    /// Stops following a process's requests, and gives the connections that it has; nothing where
    /// they were not followed.
    fn take(&mut self, _pid: u32) -> Option<Vec<Connection>> {
        None
    }
}

/// All that is known of the host's nginx processes.
pub struct Fleet<T> {
    proc: Proc,
    names: Vec<String>,
    selection: Selection,
    kernel: T,
    kernel_log: Option<KernelLog>,
    symbolizer: Symbolizer,
    processes: HashMap<u32, Process>,
    masters: HashMap<u32, Master>,
    facts: Vec<Fact>,
    /// Masters whose whole pid namespace has ended with them.
    fallen: VecDeque<u32>,
    /// What the messages are that workers have for their error logs.
    messages: Messages,
    /// Instances whose last master has ended.
    ends: down::Ends,
    budget: attempt::Budget,
    singles: single::Singles,
    /// Workers that were found without a master.
    strays: orphans::Strays,
    /// When the children of masters are listed next, where no record tells of them.
    list_ns: u64,
    /// Counts changes of masters and their settings.
    version: u64,
    naming: Naming,
    /// Instances whose container or unit was told.
    identified: HashSet<Instance>,
}

/// How many processes of an instance there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workers that take connections.
    pub workers: u32,
    /// Workers that end once their connections have.
    pub draining: u32,
}

impl<T: Track> Fleet<T> {
    /// No process yet: see [`Self::scan`].
    #[must_use]
    pub fn new(
        proc: Proc,
        names: Vec<String>,
        selection: Selection,
        kernel: T,
        kernel_log: Option<KernelLog>,
    ) -> Self {
        let naming = Naming::of_host(&proc);
        Self {
            proc,
            names,
            selection,
            kernel,
            kernel_log,
            symbolizer: Symbolizer::default(),
            processes: HashMap::new(),
            masters: HashMap::new(),
            facts: Vec::new(),
            fallen: VecDeque::new(),
            messages: Messages::default(),
            ends: down::Ends::new(),
            budget: attempt::Budget::default(),
            singles: single::Singles::default(),
            strays: orphans::Strays::default(),
            list_ns: 0,
            version: 0,
            naming,
            identified: HashSet::new(),
        }
    }

    /// Takes one record of the kernel side.
    pub fn record(&mut self, record: &Record<'_>) {
        let header = record.header();
        let (pid, time_ns) = (header.pid, header.time_ns);
        match record {
            Record::Fork(fork) => self.forked(pid, fork.parent, time_ns),
            Record::Exec(exec) => self.executed(pid, exec.watched != 0, time_ns),
            Record::Exit(exit) => self.ended(pid, exit.status, time_ns),
            Record::Signal(signal) => self.signalled(pid, signal, time_ns),
            Record::Crash(crash) => self.crashed(pid, crash),
            Record::Oom(oom) => {
                let bytes = oom.rss_pages.saturating_mul(page_size());
                self.marked_by_oom(pid, bytes, time_ns);
            }
            Record::Request(request) => self.answered(request),
            Record::Errno(failure) => self.call_failed(failure),
            Record::AcceptDrop(dropped) => self.dropped(dropped),
            Record::BackendExit(_) => {} // not of nginx
            Record::LogMessage(message) => self.messages.learn(self.proc.root(), message),
        }
    }

    /// The facts since the last call.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Changes whenever a master comes, goes, or reads its configuration again.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Every master: its process, instance and configuration, when that could be read.
    pub fn masters(&self) -> impl Iterator<Item = (u32, &Instance, Option<&config::Master>)> {
        self.masters
            .values()
            .map(|master| (master.pid, &master.instance, master.config.as_ref()))
    }

    /// Whether the configuration of every master is known, whole and as it is now.
    #[must_use]
    pub fn configs_are_whole(&self) -> bool {
        self.masters.values().all(|master| {
            let whole = |config: &config::Master| config.settings.unread == 0;
            !master.stale && master.config.as_ref().is_some_and(whole)
        })
    }

    /// Running workers by instance; an instance with a master and no worker is there too.
    #[must_use]
    pub fn counts(&self) -> HashMap<Instance, Counts> {
        let mut counts: HashMap<Instance, Counts> = HashMap::new();
        for master in self.masters.values() {
            counts.entry(master.instance.clone()).or_default();
        }
        for child in self.processes.values().filter_map(Process::child) {
            let counts = counts.entry(child.instance.clone()).or_default();
            match (child.role, child.draining) {
                (Role::Worker, false) => counts.workers += 1,
                (Role::Worker, true) => counts.draining += 1,
                _ => {}
            }
        }
        counts
    }

    /// Where processes are looked up.
    pub const fn proc(&self) -> &Proc {
        &self.proc
    }

    /// The kernel side.
    pub const fn kernel_mut(&mut self) -> &mut T {
        &mut self.kernel
    }

    /// The kernel side.
    pub const fn kernel(&self) -> &T {
        &self.kernel
    }

    /// What the messages are that workers have for their error logs.
    pub const fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    /// Frees what was kept to make a run of crashes cheap.
    pub fn forget_idle(&mut self) {
        self.symbolizer.forget_idle(KEEP_FILES);
    }

    fn fact(&mut self, boot_ns: u64, instance: &Instance, event: Event) {
        let fact = Fact {
            time: Time::of_boot_ns(boot_ns),
            instance: instance.clone(),
            event,
        };
        self.facts.push(fact);
    }

    fn children_of(&self, parent: u32) -> Vec<u32> {
        let mut pids: Vec<_> = self
            .processes
            .iter()
            .filter(|(_, process)| {
                process.parent == parent && matches!(process.kind, Kind::Child(_))
            })
            .map(|(pid, _)| *pid)
            .collect();
        pids.sort_unstable();
        pids
    }
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

#[cfg(test)]
mod tests;

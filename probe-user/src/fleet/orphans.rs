//! Workers that were found without a master: it ended before the agent came.
//!
//! A worker keeps the session and the process group that its master gave it, so the pid file that the
//! dead master left behind still tells whose they are.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{Fleet, Track, naming::printable};
use crate::{
    clock::boot_ns_now,
    config,
    facts::{Event, Instance, Orphans},
    proc::Leaders,
};

/// A pid file holds less than this, in bytes.
const MAX_PID_FILE: u64 = 32;
/// A service manager that kills a master has killed its workers too by then, in nanoseconds.
const SETTLED_NS: u64 = 1_000_000_000;
/// Workers of dead masters that are remembered one by one.
const MAX_STRAYS: usize = 512;
/// Dead masters whose configurations are read at a time, those that came first: anybody may name a
/// program like a worker.
const MAX_READ: usize = 16;
/// Dead masters that are told of one by one.
const MAX_TOLD: usize = 64;

/// Workers without a master, and what was said of them.
#[derive(Debug, Default)]
pub(super) struct Strays {
    /// By process: when it started, in nanoseconds since boot.
    workers: BTreeMap<u32, u64>,
    /// Some are not told of.
    new: bool,
    /// When they are looked at next, in nanoseconds since boot.
    due_ns: Option<u64>,
    /// Those that were told of.
    told: BTreeMap<Instance, Vec<u32>>,
}

impl Strays {
    pub(super) fn add(&mut self, pid: u32, started_ns: u64) {
        if self.workers.len() < MAX_STRAYS && self.workers.insert(pid, started_ns).is_none() {
            self.new = true;
            self.due_ns.get_or_insert(boot_ns_now() + SETTLED_NS);
        }
    }

    /// When they are to be looked at.
    pub(super) const fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }
}

impl<T: Track> Fleet<T> {
    /// Workers that run on without a master: their own has died, before the agent came or since.
    pub fn orphans(&mut self) -> usize {
        let proc = &self.proc;
        self.strays.workers.retain(|pid, started_ns| {
            let status = proc.status(*pid);
            status.is_some_and(|status| !status.dead && status.started_ns == *started_ns)
        });
        let of_no_master = self.processes.values().filter(|process| {
            process.child().is_some() && !self.masters.contains_key(&process.parent)
        });
        of_no_master.count() + self.strays.len()
    }

    /// Tells of workers that were found without a master, once, and of their end.
    pub(super) fn settle_orphans(&mut self, now_ns: u64) {
        if self.strays.due_ns.is_none_or(|due_ns| due_ns > now_ns) {
            return;
        }
        if std::mem::take(&mut self.strays.new) {
            self.tell_orphans();
        }
        self.orphans(); // those that have ended since are dropped
        let workers = &self.strays.workers;
        let ended = |pids: &[u32]| !pids.iter().any(|pid| workers.contains_key(pid));
        let gone = self.strays.told.extract_if(.., |_, pids| ended(pids));
        let gone: Vec<_> = gone.map(|(instance, _)| instance).collect();
        for instance in gone {
            let (workers, master) = (0, None);
            self.fact(
                now_ns,
                &instance,
                Event::Orphans(Orphans { workers, master }),
            );
        }
        let any = !self.strays.workers.is_empty();
        self.strays.due_ns = any.then(|| now_ns.saturating_add(SETTLED_NS));
    }

    fn tell_orphans(&mut self) {
        for (instance, (pids, found)) in self.grouped_orphans() {
            let told = self.strays.told.get(&instance);
            let is_new = told.is_none_or(|told| told.len() < pids.len());
            let full = told.is_none() && self.strays.told.len() >= MAX_TOLD;
            if is_new && !full {
                if let Some(pid) = pids.first() {
                    let identity = self.naming.identity(&self.proc, *pid);
                    self.identify(boot_ns_now(), &instance, &identity);
                }
                self.strays.told.insert(instance.clone(), pids);
                self.fact(boot_ns_now(), &instance, Event::Orphans(found));
            }
        }
    }

    /// Tells of the children of a master whose end nobody saw.
    pub(super) fn tell_left_behind(&mut self, master: u32, instance: &Instance) {
        let workers = u32::try_from(self.children_of(master).len()).unwrap_or(u32::MAX);
        if workers > 0 {
            let master = Some(master);
            let left = Orphans { workers, master };
            self.fact(boot_ns_now(), instance, Event::Orphans(left));
        }
    }

    /// The workers that were found without a master, by the instance that they are of, among those
    /// that are to be followed.
    pub fn found_orphans(&mut self) -> impl Iterator<Item = (Instance, Orphans)> {
        let grouped = self.grouped_orphans().into_iter();
        grouped.map(|(instance, (_, orphans))| (instance, orphans))
    }

    fn grouped_orphans(&mut self) -> BTreeMap<Instance, (Vec<u32>, Orphans)> {
        self.orphans(); // those that have ended since are dropped
        let mut by_leaders: BTreeMap<Leaders, Vec<u32>> = BTreeMap::new();
        for pid in self.strays.workers.keys().filter(|pid| self.serves(**pid)) {
            if let Some(leaders) = self.proc.leaders(*pid) {
                by_leaders.entry(leaders).or_default().push(*pid);
            }
        }
        let mut found: BTreeMap<Instance, (Vec<u32>, Orphans)> = BTreeMap::new();
        for (leaders, pids) in by_leaders.into_iter().take(MAX_READ) {
            let Some(instance) = pids.first().and_then(|pid| self.instance_of(*pid, leaders))
            else {
                continue;
            };
            let (workers, master) = (0, None);
            let (all, of) = found
                .entry(instance)
                .or_insert_with(|| (Vec::new(), Orphans { workers, master }));
            of.workers += u32::try_from(pids.len()).unwrap_or(u32::MAX);
            of.master = Some(leaders.session).filter(|pid| self.proc.status(*pid).is_none());
            all.extend(pids);
        }
        found
    }

    /// Whether it is a worker, not a cache's helper.
    fn serves(&self, pid: u32) -> bool {
        use config::Role::{DrainingWorker, Worker};
        let title = self.proc.title(pid).unwrap_or_default();
        matches!(
            config::Role::of_title(&title),
            Some(Worker | DrainingWorker)
        )
    }

    /// Which nginx an orphan is of: the one whose pid file names the master that it had, else the one
    /// that its program is. Nothing where only others are asked for.
    fn instance_of(&self, pid: u32, leaders: Leaders) -> Option<Instance> {
        let config = config::Master::of_process(self.proc.root(), pid).ok();
        if let Some(config) = &config
            && [leaders.inner_session, leaders.inner_group]
                .map(Some)
                .contains(&pid_in(config))
            && (self.selection.is_all() || self.selects(leaders))
        {
            let identity = self.naming.identity(&self.proc, pid);
            return Some(self.name(pid, Some(config), &identity, None).0);
        }
        if !self.selection.is_all() {
            let of = |leader| self.selection.pid_files_of(leader).next();
            let file = of(leaders.session).or_else(|| of(leaders.group))?;
            return Some(printable(file).into());
        }
        let program = fs::read_link(self.proc.root().join(pid.to_string()).join("exe"));
        let program = program.unwrap_or_else(|_| PathBuf::from("nginx"));
        // A package that was upgraded meanwhile has put another file there.
        let program = printable(&program);
        Some(
            program
                .strip_suffix(" (deleted)")
                .unwrap_or(&program)
                .into(),
        )
    }

    fn selects(&self, leaders: Leaders) -> bool {
        self.selection.wants(leaders.session) || self.selection.wants(leaders.group)
    }
}

/// What the pid file of a configuration holds.
fn pid_in(config: &config::Master) -> Option<u32> {
    read_pid(config, &config.settings.pid_path)
}

/// The process id in a file inside a master's root.
pub(super) fn read_pid(config: &config::Master, path: &Path) -> Option<u32> {
    let (file, _) = config.root.open_regular(path).ok()?;
    let mut text = String::new();
    file.take(MAX_PID_FILE).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

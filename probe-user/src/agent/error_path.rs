//! Watching nginx's own functions: in which binaries, and what their messages add up to.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use nginx_probe_ebpf::connection::Message;

use super::{logs::Logs, shortages::Shortages, start::Probes};
use crate::{
    error_path::{Binaries, Missing},
    facts::Instance,
    fleet::Fleet,
    kernel::Kernel,
    sinks::metrics::Metrics,
    source::{self, Stem},
};

/// Problems that are said in all: containers come and go, each with its own.
const MAX_SAID: usize = 1024;

/// What is watched, and what was counted.
pub(super) struct ErrorPath {
    metrics: Arc<Metrics>,
    binaries: Binaries,
    /// What was said to be missing, so that it is said once.
    said: HashSet<String>,
    /// Whose workers have messages: a dead one's last are counted a little later.
    instances: HashMap<u32, Instance>,
    counted: HashMap<Message, u64>,
    /// Masters whose messages are seen.
    seen: HashSet<u32>,
}

impl ErrorPath {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            binaries: Binaries::default(),
            said: HashSet::new(),
            instances: HashMap::new(),
            counted: HashMap::new(),
            seen: HashSet::new(),
        }
    }

    /// Whether the messages of a master's workers are seen, and with which answers they belong.
    pub(super) fn sees_messages(&self, master: u32) -> bool {
        self.seen.contains(&master)
    }

    /// Masters came, went, or changed their configuration.
    pub(super) fn follow(&mut self, fleet: &mut Fleet<Probes>) {
        let masters = fleet.masters();
        let masters = masters.map(|(pid, _, config)| (pid, Missing::of(config)));
        let masters = masters.collect();
        let root = fleet.proc().root().to_owned();
        let Some(kernel) = fleet.kernel_mut().loaded_mut() else {
            return;
        };
        let found = self.binaries.follow(kernel, &root, masters);
        let seen = found.iter().filter(|(_, one)| one.logs && one.answers);
        self.seen = seen.map(|(pid, _)| *pid).collect();
        for (path, why) in found
            .values()
            .flat_map(|one| one.missing.iter().map(|why| (&one.path, why)))
        {
            let said = format!("error_path of {path}: {why}");
            if self.said.len() < MAX_SAID && self.said.insert(said.clone()) {
                if why.is_choice() {
                    log::info!("{said}");
                } else {
                    log::warn!("without all of {said}");
                }
            }
        }
        let way = fleet.kernel().loaded().and_then(Kernel::entry_way);
        let up = source::of_error_path(way, found.values()).ok;
        self.metrics.set_source(Stem::ErrorPath, up);
    }

    /// Counts the messages of the last moments, unless a log that is read has them too; `shortages`
    /// is told of all. Call it about once a second.
    pub(super) fn look(
        &mut self,
        fleet: &mut Fleet<Probes>,
        logs: Option<&Logs>,
        mut shortages: Option<&mut Shortages>,
    ) {
        let living: HashMap<_, _> = fleet
            .workers()
            .map(|worker| (worker.pid, worker.instance.clone()))
            .collect();
        let Some(kernel) = fleet.kernel_mut().loaded_mut() else {
            return;
        };
        let now = kernel
            .workers_mut()
            .messages(|pid| living.contains_key(&pid));
        self.instances.extend(living.clone());
        let mut counted = HashMap::with_capacity(now.len());
        for (message, count) in now {
            // What it says may still be on its way: then it is counted with the next look.
            let Some(known) = fleet.messages_mut().get(&message) else {
                continue;
            };
            let before = self.counted.get(&message).copied().unwrap_or(0);
            let more = count.saturating_sub(before);
            counted.insert(message, count);
            let Some(instance) = self.instances.get(&message.pid).filter(|_| more > 0) else {
                continue;
            };
            if let Some(shortages) = &mut shortages {
                shortages.said(instance, message.pid, known, more);
            }
            if !logs.is_some_and(|logs| logs.reads_errors(instance)) {
                let (level, class) = (known.level.name(), known.class.name);
                self.metrics.messages(instance, level, class, more);
            }
        }
        self.counted = counted;
        self.instances = living;
        let instances = &self.instances;
        fleet
            .messages_mut()
            .forget(|pid| instances.contains_key(&pid));
    }
}

//! Connections that are dropped or cannot be taken, and calls that fail, where requests are followed
//! by sockets: nginx's own counters and its messages tell of them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::start::Probes;
use crate::{
    accept::{Counters, Counts, Missing},
    clock::Time,
    errnos::Failure,
    error_path::Message,
    facts::{Dropped, Event, Fact, Instance},
    fleet::Fleet,
    sinks::metrics::{Metrics, Served},
    source::Stem,
};

/// How long a worker leaves a listener alone after accepting has failed (`accept_mutex_delay`, which
/// nobody changes).
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of connections of each nginx.
pub(super) struct Shortages {
    metrics: Arc<Metrics>,
    masters: HashMap<u32, Master>,
    /// Drops that messages have told of, and that no counter has shown yet, by instance.
    told: HashMap<Instance, Told>,
    facts: Vec<Fact>,
}

/// A master's counters, as they were read last.
struct Master {
    instance: Instance,
    counters: Option<Counters>,
    last: Counts,
    /// Dropped for no reason that any message has told.
    unexplained: u64,
}

#[derive(Default)]
struct Told {
    slots: u64,
    memory: u64,
}

impl Shortages {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            masters: HashMap::new(),
            told: HashMap::new(),
            facts: Vec::new(),
        }
    }

    /// A worker had a message so many times more.
    pub(super) fn said(&mut self, instance: &Instance, pid: u32, message: &Message, count: u64) {
        if let (Some(call), Some(errno)) = (message.call, message.errno) {
            self.metrics.failed_calls(instance, call, errno, count);
        }
        match (message.class.name, message.call, message.errno) {
            ("accept_no_fds", Some(call), Some(errno)) => {
                let pause = u64::try_from(PAUSE.as_nanos()).unwrap_or(u64::MAX);
                let served = Served {
                    stalled_ns: pause.saturating_mul(count),
                    stalled_errno: errno,
                    ..Served::default()
                };
                self.metrics.served(instance, &served);
                self.fact(instance, failed(pid, call, errno, count));
            }
            // A part of an answer, of a log or of a cache: no status tells of it.
            ("write_disk_full", Some(call), Some(errno)) => {
                self.fact(instance, failed(pid, call, errno, count));
            }
            ("worker_connections_accept", ..) => {
                self.told.entry(instance.clone()).or_default().slots += count;
                let dropped = Dropped {
                    pid,
                    for_memory: false,
                    client: None,
                    count,
                };
                self.fact(instance, Event::Dropped(dropped));
            }
            ("malloc_failed", ..) => {
                self.told.entry(instance.clone()).or_default().memory += count;
            }
            _ => {}
        }
    }

    fn fact(&mut self, instance: &Instance, event: Event) {
        self.facts.push(Fact {
            time: Time::now(),
            instance: instance.clone(),
            event,
        });
    }

    /// What messages told since the last call.
    pub(super) fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Reads the counters of every master; call it about once a second, after messages.
    pub(super) fn look(&mut self, fleet: &Fleet<Probes>) {
        let root = fleet.proc().root();
        let mut living = HashSet::new();
        for (pid, instance, config) in fleet.masters() {
            living.insert(pid);
            if config.is_none() || self.masters.contains_key(&pid) {
                continue;
            }
            let found = Counters::find(root, pid);
            if let Err(error @ Missing::NoSymbol) = &found {
                log::info!(
                    "accept of {instance}: {error}; --follow syscalls counts connections there"
                );
            }
            let counters = found.ok();
            let last = counters.as_ref().and_then(|counters| counters.read().ok());
            let master = Master {
                instance: instance.clone(),
                counters: counters.filter(|_| last.is_some()),
                last: last.unwrap_or_default(),
                unexplained: 0,
            };
            self.masters.insert(pid, master);
        }
        self.masters.retain(|pid, _| living.contains(pid));
        let mut up = true;
        for master in self.masters.values_mut() {
            up &= master.counters.is_some();
            let told = self.told.entry(master.instance.clone()).or_default();
            if let Some(served) = master.look(told) {
                self.metrics.served(&master.instance, &served);
            }
        }
        self.metrics.set_source(Stem::Accept, up);
        let masters = &self.masters;
        self.told
            .retain(|instance, _| masters.values().any(|master| master.instance == *instance));
    }
}

fn failed(pid: u32, call: &'static str, errno: &'static str, count: u64) -> Event {
    Event::CallFailed(Box::new(Failure {
        pid,
        call,
        errno,
        about: None,
        descriptor: None,
        suppressed: 0,
        count,
    }))
}

impl Master {
    /// What came since the last look.
    fn look(&mut self, told: &mut Told) -> Option<Served> {
        let now = self.counters.as_ref()?.read().ok()?;
        let accepts = now.accepted.saturating_sub(self.last.accepted);
        let handled = now.handled.saturating_sub(self.last.handled);
        let mut dropped = accepts.saturating_sub(handled);
        // One that was being taken just then may have been handled since.
        self.last = Counts {
            accepted: now.accepted,
            handled: self.last.handled + handled,
        };
        let mut of = |told: &mut u64| {
            let taken = dropped.min(*told);
            dropped -= taken;
            *told -= taken;
            taken
        };
        let (slots, memory) = (of(&mut told.slots), of(&mut told.memory));
        // A message may be counted with the next look only.
        let otherwise = std::mem::replace(&mut self.unexplained, dropped);
        Some(Served {
            accepts,
            dropped_for_slots: slots,
            dropped_for_memory: memory,
            dropped_otherwise: otherwise,
            ..Served::default()
        })
    }
}

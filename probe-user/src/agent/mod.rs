//! `run`: sources, correlator and sinks in one loop.

mod backends;
mod counters;
mod error_path;
pub(crate) mod gone;
mod heartbeat;

pub(crate) mod logs;
mod look;
mod open;
mod privileges;
mod recorded;
mod sample;
mod serve;
mod shortages;
mod sources_down;
mod stalls;
mod start;
mod thresholds;
mod told;
mod traffic;

use std::{collections::HashSet, sync::Arc};

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use nginx_probe_ebpf::record::{Kind, Record as KernelRecord};

pub use self::serve::{Watched, run, watch};

use self::{
    backends::Backends, counters::Counters, error_path::ErrorPath, gone::Gone, logs::Logs,
    recorded::Recorded, sample::Samples, serve::Kept, shortages::Shortages,
    sources_down::SourcesDown, stalls::Stalls, start::Probes, told::Told, traffic::Traffic,
};
use crate::{
    clock::{Time, boot_ns_now},
    facts::{Event, Fact, Instance},
    fleet::{Fleet, Naming, Selection},
    kernel::{Kernel, Way},
    options::RunOptions,
    proc::Proc,
    records::Record,
    sinks::{console::Console, journal::Journal, metrics::Metrics},
    thresholds::Thresholds,
};

/// Records taken from the ring buffer before other things have their turn.
const RECORDS_AT_ONCE: usize = 1024;

/// Times that this many are taken before `/proc` is asked what else happened: more than there is
/// room for.
const DRAINS: usize = 32;

struct Agent {
    fleet: Fleet<Probes>,
    logs: Option<Logs>,
    samples: Samples,
    counters: Option<Counters>,
    traffic: Traffic,
    error_path: Option<ErrorPath>,
    shortages: Option<Shortages>,
    stalls: Stalls,
    backends: Backends,
    told: Told,
    thresholds: Thresholds,
    correlator: Recorded,
    metrics: Arc<Metrics>,
    journal: Option<Journal>,
    console: Option<Console>,
    /// What was said, for whoever asks at the end.
    kept: Option<Kept>,
    lost: [u64; Kind::ALL.len()],
    seen_version: u64,
    /// Instances whose workers were counted last.
    counted: HashSet<Instance>,
    /// Instances that are gone, whose series are still shown.
    gone: Gone,
    /// Was said about what is not there, so that it is said once.
    said_missing: Vec<String>,
    /// Sources that are still to be judged; a report judges them itself.
    sources_down: Option<SourcesDown>,
    selection: Selection,
    names: Vec<String>,
    looks: u32,
}

impl Agent {
    fn start(
        options: &RunOptions,
        metrics: Arc<Metrics>,
        journal: Option<Journal>,
        console: Option<Console>,
    ) -> anyhow::Result<(Self, Option<RingBuf<MapData>>)> {
        let names = options.watch.names();
        let started = start::probes(&options.watch, &names, &metrics)?;
        let blind = started
            .probes
            .loaded()
            .is_none_or(|kernel| !kernel.failures().is_empty());
        let by_sockets = started
            .probes
            .loaded()
            .is_some_and(|kernel| kernel.way() == Some(Way::Sockets));
        let selection = Selection {
            pid_files: options.watch.pid_file.clone(),
            masters: options.watch.master.clone(),
        };
        let proc = Proc::at("/proc");
        let samples = Samples::new(proc.root(), Arc::clone(&metrics));
        let every = options.stub_status_every();
        let counters = Counters::start(proc.root(), every, blind, Arc::clone(&metrics));
        let stalls = Stalls::start(proc.root(), options.hang_after(), Arc::clone(&metrics));
        let kernel = started.probes.loaded().is_some();
        let backends = Backends::start(proc.root(), &names, !kernel, Arc::clone(&metrics));
        let mut fleet = Fleet::new(
            proc,
            names.clone(),
            selection.clone(),
            started.probes,
            started.kernel_log,
        );
        fleet.set_naming(Naming::new(
            options.naming.host_root(),
            options.host(),
            options.naming.instance_label.clone(),
        ));
        fleet.scan().context("cannot read /proc")?;
        let logs = (!options.watch.no_logs()).then(|| Logs::new(options, Arc::clone(&metrics)));
        let mut agent = Self {
            fleet,
            logs,
            samples,
            counters,
            traffic: Traffic::new(Arc::clone(&metrics)),
            error_path: (!options.watch.no_uprobes()).then(|| ErrorPath::new(Arc::clone(&metrics))),
            shortages: by_sockets.then(|| Shortages::new(Arc::clone(&metrics))),
            stalls,
            backends,
            told: Told::default(),
            thresholds: Thresholds::default(),
            correlator: Recorded::start(options, blind)?,
            metrics,
            journal,
            sources_down: console.is_some().then(|| SourcesDown::of(options)),
            kept: console.is_none().then(Kept::default),
            console,
            lost: [0; Kind::ALL.len()],
            seen_version: u64::MAX,
            counted: HashSet::new(),
            gone: Gone::default(),
            said_missing: Vec::new(),
            selection,
            names,
            looks: 0,
        };
        agent.settle();
        agent.backends.first_look(&mut agent.fleet);
        agent.look();
        if let Some(logs) = &mut agent.logs {
            logs.settled();
        }
        agent.metrics.set_kernel_memory(Kernel::memory_bytes());
        Ok((agent, started.events))
    }

    /// Takes records; `true` when there may be more.
    fn drain(&mut self, events: &mut RingBuf<MapData>) -> bool {
        for _ in 0..RECORDS_AT_ONCE {
            let Some(item) = events.next() else {
                return false;
            };
            match KernelRecord::decode(&item) {
                Ok(record) => {
                    self.metrics.event(record.kind());
                    self.backends.record(&record, &mut self.fleet);
                    self.fleet.record(&record);
                }
                Err(error) => log::error!("a record of the kernel side is malformed: {error}"),
            }
        }
        true
    }

    /// Takes all that is there, of a buffer that others go on filling; `true` when there may be more.
    fn drain_all(&mut self, events: &mut RingBuf<MapData>) -> bool {
        (0..DRAINS).all(|_| self.drain(events))
    }

    /// Looks at what is due and passes on what came of it.
    fn settle(&mut self) {
        self.fleet.settle(boot_ns_now());
        // A death comes before what it spoiled.
        self.tell_of_backends();
        for fact in self.fleet.take_facts() {
            self.fact(fact);
        }
        if self.fleet.version() != self.seen_version {
            self.seen_version = self.fleet.version();
            self.masters_changed();
        }
        self.count_workers();
    }

    /// Whether nothing changes by itself.
    fn is_idle(&self) -> bool {
        self.correlator.is_idle() && self.shortages.is_none()
    }

    fn tick(&mut self) {
        if self.shortages.is_some() {
            self.look_at_messages();
        }
        for record in self.correlator.tick(Time::now()) {
            self.say(&record);
        }
        self.count_failures();
    }

    fn read_logs(&mut self) -> Vec<Fact> {
        self.logs.as_mut().map(Logs::poll).unwrap_or_default()
    }

    fn logged(&mut self, facts: Vec<Fact>) {
        for fact in facts {
            self.fact(fact);
        }
    }

    fn fact(&mut self, fact: Fact) {
        if let Some(counters) = &mut self.counters {
            counters.fact(&fact);
        }
        if !fact.instance.is_empty() {
            self.metrics.fact(&fact);
        }
        if let Event::WorkerExit(exit) = &fact.event {
            for (pid, last) in self.fleet.kernel_mut().take_ended() {
                if pid == exit.pid {
                    self.traffic.ended(pid, &fact.instance, &last);
                }
            }
        }
        self.learn_backends(&fact);
        for record in self.correlator.fact(fact) {
            self.say(&record);
        }
        self.count_failures();
    }

    fn count_failures(&mut self) {
        for failed in self.correlator.take_failures() {
            self.metrics.failure(&failed);
        }
    }

    fn say(&mut self, record: &Record) {
        self.metrics.record(record);
        if let Some(console) = &mut self.console {
            console.write(record);
        }
        if let Some(kept) = &mut self.kept {
            kept.add(record);
        }
        if let Some(journal) = &mut self.journal {
            journal.append(record);
        }
    }

    fn finish(&mut self) {
        if self.console.as_ref().is_some_and(Console::is_gone) {
            log::warn!("nobody reads standard output any more: ending");
        }
        let facts = self.logs.as_mut().map(Logs::finish).unwrap_or_default();
        self.logged(facts);
        self.tick();
        for record in self.correlator.finish(Time::now()) {
            self.say(&record);
        }
        self.count_failures();
        if let Some(console) = &mut self.console {
            console.finish();
        }
    }
}

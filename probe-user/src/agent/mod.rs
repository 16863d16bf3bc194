//! `run`: sources, correlator and sinks in one loop.

mod logs;
mod look;
mod privileges;
mod start;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use nginx_probe_ebpf::record::{Kind, Record as KernelRecord};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

use self::{logs::AccessLogs, start::Probes};
use crate::{
    clock::{Time, boot_ns_now},
    correlator::Correlator,
    facts::{Fact, Instance},
    fleet::{Fleet, Selection},
    kernel::Kernel,
    options::RunOptions,
    proc::Proc,
    records::Record,
    sinks::{
        console::{Console, Output},
        http,
        journal::Journal,
        metrics::Metrics,
    },
    source::Stem,
    usage::give_back_memory,
};

/// How often logs are looked at, and open incidents brought up to date.
const TICK: Duration = Duration::from_millis(100);
/// Ticks between two looks at what changes slowly.
const TICKS_PER_LOOK: u32 = 10;
/// Records taken from the ring buffer before other things have their turn.
const RECORDS_AT_ONCE: usize = 1024;

struct Agent {
    fleet: Fleet<Probes>,
    logs: Option<AccessLogs>,
    correlator: Correlator,
    metrics: Arc<Metrics>,
    journal: Option<Journal>,
    console: Console,
    lost: [u64; Kind::ALL.len()],
    seen_version: u64,
    /// Instances whose workers were counted last.
    counted: HashSet<Instance>,
    /// Since when instances are gone, whose series are still shown.
    gone: HashMap<Instance, Time>,
    /// Was said about what is not there, so that it is said once.
    said_missing: Vec<String>,
    selection: Selection,
    names: Vec<String>,
    ticks: u32,
    looks: u32,
}

/// Attaches and stays until SIGINT or SIGTERM. The options are those with the file's in them.
///
/// # Errors
/// When the listener or the journal cannot be opened, or the probes lack a privilege.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    if !options.watch.no_kernel() {
        start::check_privileges()?;
    }
    let metrics = Arc::new(Metrics::new());
    let listener = match options.listen() {
        Some(address) => Some(http::bind(address).await.with_context(|| {
            format!(
                "cannot listen on {address}: is another agent running? \
                 choose another address with --listen, or none"
            )
        })?),
        None => None,
    };
    let journal = options.journal().map(open_journal).transpose()?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let (mut agent, events) = Agent::start(&options, Arc::clone(&metrics), journal)?;
    privileges::drop_unneeded();
    if let Some(listener) = listener {
        tokio::spawn(http::serve(listener, Arc::clone(&metrics)));
    }
    give_back_memory();
    agent.metrics.set_ready();
    eprintln!("ready");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let mut events = match events {
        // SAFETY: the ring buffer owns its map's descriptor, always gives that one, and closes it
        // only when it is dropped, which is together with the registration.
        Some(events) => Some(unsafe { AsyncFd::register(events) }.context("cannot wait")?),
        None => None,
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut more = false;
    while !agent.console.is_gone() {
        let settle = agent.fleet.next_look(boot_ns_now());
        tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            result = readable(events.as_mut(), more) => {
                result.context("cannot wait for records")?;
                if let Some(events) = events.as_mut() {
                    more = agent.drain(events.get_mut());
                }
                agent.settle();
            }
            () = sleep(settle.unwrap_or(Duration::MAX)), if settle.is_some() => agent.settle(),
            _ = tick.tick() => agent.tick(),
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    agent.finish();
    Ok(())
}

fn open_journal(path: &std::path::Path) -> anyhow::Result<Journal> {
    Journal::open(path).with_context(|| {
        format!(
            "cannot write the journal {}; choose another place with --journal, or none",
            path.display()
        )
    })
}

/// Waits for records, unless some were left: the kernel says once that there are new ones, not that
/// there are still some.
async fn readable(
    events: Option<&mut AsyncFd<RingBuf<MapData>>>,
    more: bool,
) -> std::io::Result<()> {
    match events {
        Some(_) if more => Ok(()),
        Some(events) => {
            // The records are read to the last before the next wait, so the mark is cleared first.
            events.readable_mut().await?.clear_ready();
            Ok(())
        }
        None => std::future::pending().await,
    }
}

impl Agent {
    fn start(
        options: &RunOptions,
        metrics: Arc<Metrics>,
        journal: Option<Journal>,
    ) -> anyhow::Result<(Self, Option<RingBuf<MapData>>)> {
        let names = options.watch.names();
        let started = start::probes(&options.watch, &names, &metrics)?;
        let blind = started
            .probes
            .loaded()
            .is_none_or(|kernel| !kernel.failures().is_empty());
        let selection = Selection {
            pid_files: options.watch.pid_file.clone(),
            masters: options.watch.master.clone(),
        };
        let proc = Proc::at("/proc");
        let mut fleet = Fleet::new(
            proc,
            names.clone(),
            selection.clone(),
            started.probes,
            started.kernel_log,
        );
        fleet.scan().context("cannot read /proc")?;
        let logs = (!options.watch.no_logs())
            .then(|| AccessLogs::new(&options.watch.access_log, Arc::clone(&metrics)));
        let mut agent = Self {
            fleet,
            logs,
            correlator: Correlator::new(host_name(), options.quiet(), blind),
            metrics,
            journal,
            console: Console::new(options.output.unwrap_or_else(Output::for_stdout))
                .context("cannot start a thread for standard output")?,
            lost: [0; Kind::ALL.len()],
            seen_version: u64::MAX,
            counted: HashSet::new(),
            gone: HashMap::new(),
            said_missing: Vec::new(),
            selection,
            names,
            ticks: 0,
            looks: 0,
        };
        agent.settle();
        agent.look();
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
                    self.fleet.record(&record);
                }
                Err(error) => log::error!("a record of the kernel side is malformed: {error}"),
            }
        }
        true
    }

    /// Looks at what is due and passes on what came of it.
    fn settle(&mut self) {
        self.fleet.settle(boot_ns_now());
        for fact in self.fleet.take_facts() {
            self.fact(fact);
        }
        if self.fleet.version() != self.seen_version {
            self.seen_version = self.fleet.version();
            self.masters_changed();
        }
        self.count_workers();
    }

    fn tick(&mut self) {
        #[cfg(feature = "debug-log")]
        self.fleet.kernel_mut().show_messages();
        let facts = self.logs.as_mut().map(AccessLogs::poll).unwrap_or_default();
        for fact in facts {
            self.fact(fact);
        }
        for record in self.correlator.tick(Time::now()) {
            self.say(&record);
        }
        self.ticks += 1;
        if self.ticks.is_multiple_of(TICKS_PER_LOOK) {
            self.look();
        }
    }

    fn fact(&mut self, fact: Fact) {
        if !fact.instance.is_empty() {
            self.metrics.fact(&fact);
        }
        for record in self.correlator.fact(fact) {
            self.say(&record);
        }
    }

    fn say(&mut self, record: &Record) {
        self.metrics.record(record);
        self.console.write(record);
        if let Some(journal) = &mut self.journal {
            journal.append(record);
        }
    }

    fn finish(&mut self) {
        if self.console.is_gone() {
            log::warn!("nobody reads standard output any more: ending");
        }
        self.tick();
        for record in self.correlator.finish(Time::now()) {
            self.say(&record);
        }
        self.console.finish();
    }
}

/// The host's name, as records carry it.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The sources that the kernel side feeds.
const KERNEL_STEMS: [Stem; 3] = [Stem::Lifecycle, Stem::Signals, Stem::Oom];

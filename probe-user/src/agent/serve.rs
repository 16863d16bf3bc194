//! The loop in which everything has its turn: for `run` until it is told to end, for `diagnose` for a
//! while.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    task::yield_now,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Agent, heartbeat::Heartbeat, logs::Logs, open, privileges, start};
use crate::{
    clock::boot_ns_now,
    correlator::Incident,
    facts::Instance,
    kernel::{EntryWay, Kernel},
    options::RunOptions,
    records::{Body, Record},
    sinks::{
        console::{Console, Output},
        http, messages,
        metrics::Metrics,
    },
    usage::give_back_memory,
};

/// How often open incidents are brought up to date.
const TICK: Duration = Duration::from_millis(100);
/// How often is looked at what changes slowly.
const LOOK: Duration = Duration::from_secs(1);
/// How long what was seen last may take to be understood: longer than logs and verdicts wait.
const LINGER: Duration = Duration::from_millis(600);
/// Records other than incidents that are kept.
const MAX_KEPT: usize = 1_000;

/// Attaches and stays until SIGINT or SIGTERM. The options are those with the file's in them.
///
/// # Errors
/// When the listener or the journal cannot be opened, or the probes lack a privilege.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    start::check(&options.watch)?;
    let metrics = Arc::new(Metrics::new());
    let listener = open::listener(options.listen()).await?;
    let journal = open::journal(&options, &metrics)?;
    open::state(&options)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let console = Console::new(options.output.unwrap_or_else(Output::for_stdout));
    let console = console.context("cannot start a thread for standard output")?;
    let (mut agent, events) = Agent::start(&options, Arc::clone(&metrics), journal, Some(console))?;
    agent.give_up_privileges()?;
    if let Some(listener) = listener {
        tokio::spawn(http::serve(listener, Arc::clone(&metrics)));
    }
    give_back_memory();
    agent.metrics.set_ready();
    messages::say(&format!("{}ready\n", messages::priority(log::Level::Info)));
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let told = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    agent.serve(events, told).await?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    agent.finish();
    Ok(())
}

/// What was seen in a while.
#[derive(Debug)]
pub struct Watched {
    /// Every incident as it stood at the end, in the order in which they began.
    pub incidents: Vec<(Instance, Incident)>,
    /// Other records, oldest first.
    pub records: Vec<Record>,
    /// Records that are not there, for there were too many.
    pub left_out: u64,
    /// The metrics before and after, as they are exported.
    pub metrics: [String; 2],
    /// Those of whose responses nothing tells.
    pub unseen: Vec<Instance>,
}

/// Attaches, stays until `end`, and tells what was seen. `begun` is called once everything is
/// attached.
///
/// # Errors
/// When the probes lack a privilege.
pub async fn watch(
    options: &RunOptions,
    begun: impl FnOnce(&Arc<Metrics>),
    end: impl Future<Output = ()>,
) -> anyhow::Result<Watched> {
    start::check(&options.watch)?;
    let metrics = Arc::new(Metrics::new());
    let (mut agent, events) = Agent::start(options, Arc::clone(&metrics), None, None)?;
    agent.give_up_privileges()?;
    let before = metrics.encode()?;
    begun(&metrics);
    let settled = async {
        end.await;
        // What was asked for a moment ago is still being read and put together.
        sleep(LINGER).await;
    };
    agent.serve(events, settled).await?;
    agent.sample();
    agent.finish();
    let after = metrics.encode()?;
    let kept = agent.kept.take().unwrap_or_default();
    let mut incidents: Vec<_> = kept.incidents.into_values().collect();
    incidents.sort_by(|a, b| (a.1.opened_at, &a.1.id).cmp(&(b.1.opened_at, &b.1.id)));
    Ok(Watched {
        incidents,
        records: kept.records,
        left_out: kept.left_out,
        metrics: [before, after],
        unseen: agent.told.unseen(),
    })
}

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Kept {
    incidents: BTreeMap<String, (Instance, Incident)>,
    records: Vec<Record>,
    left_out: u64,
}

impl Kept {
    pub(super) fn add(&mut self, record: &Record) {
        if let Body::Incident(incident) = &record.body {
            let this = (record.instance.clone(), (**incident).clone());
            self.incidents.insert(incident.id.clone(), this);
        } else if self.records.len() < MAX_KEPT {
            self.records.push(record.clone());
        } else {
            self.left_out += 1;
        }
    }
}

impl Agent {
    fn give_up_privileges(&self) -> anyhow::Result<()> {
        let loaded = self.fleet.kernel().loaded().is_some();
        let way = self.fleet.kernel().loaded().and_then(Kernel::entry_way);
        let attaching = way.and_then(Result::ok).map(EntryWay::needs);
        privileges::give_up(loaded, attaching)
    }

    /// Gives everything its turn until `end`, or until nobody reads what is written.
    async fn serve(
        &mut self,
        events: Option<RingBuf<MapData>>,
        end: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let mut events = match events {
            // SAFETY: the ring buffer owns its map's descriptor, always gives that one, and closes
            // it only when it is dropped, which is together with the registration.
            Some(events) => Some(unsafe { AsyncFd::register(events) }.context("cannot wait")?),
            None => None,
        };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heartbeat = Heartbeat::default();
        let mut more = false;
        let mut end = std::pin::pin!(end);
        while !self.console.as_ref().is_some_and(Console::is_gone) {
            heartbeat.beat();
            let settle = self.fleet.next_look(boot_ns_now());
            tokio::select! {
                biased;
                () = &mut end => break,
                result = readable(events.as_mut(), more) => {
                    result.context("cannot wait for records")?;
                    if let Some(events) = events.as_mut() {
                        more = self.drain(events.get_mut());
                    }
                    self.settle();
                }
                () = sleep(settle.unwrap_or(Duration::MAX)), if settle.is_some() => self.settle(),
                _ = tick.tick(), if !self.is_idle() => self.tick(),
                _ = look.tick() => {
                    // What is still in the buffer must not be taken for lost.
                    if let Some(events) = events.as_mut() {
                        more = self.drain_all(events.get_mut());
                    }
                    self.settle();
                    self.look();
                }
                () = written(self.logs.as_mut()) => {
                    let facts = self.read_logs();
                    // What the kernel half saw of an answer is there before the answer's line is
                    // written: the line must not be taken for all that is known.
                    if let Some(events) = events.as_mut() {
                        more = self.drain(events.get_mut());
                    }
                    self.settle();
                    self.logged(facts);
                    // With much to read the wait above never pauses, and nobody else has a turn.
                    yield_now().await;
                }
            }
        }
        Ok(())
    }
}

/// Waits until there is something to read in a log.
async fn written(logs: Option<&mut Logs>) {
    match logs {
        Some(logs) => logs.wait().await,
        None => std::future::pending().await,
    }
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

//! Asks every nginx in turn, in a task of its own, so that one that does not answer keeps nobody
//! waiting.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};

use super::{
    Counters, Problem,
    ask::{Answer, ask},
    endpoints::{Address, Endpoint},
    residue::Residue,
    sockets::{Listeners, Own, is_elsewhere},
};
use crate::{facts::Instance, rooted::Root};

/// Those that are asked at a time.
const AT_ONCE: usize = 16;
/// Between two rounds, however often a worker dies.
const SHORTEST: Duration = Duration::from_secs(1);
/// An endpoint that gives what no waiting mends is asked again after so many rounds.
const ROUNDS_OF_PATIENCE: u32 = 12;
/// Reports that wait to be taken. The oldest are worth least, but there are never so many.
const WAITING_REPORTS: usize = 1024;

/// An nginx to ask.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub instance: Instance,
    /// The master that runs, by the process id that we see it under.
    pub master: u32,
    /// The folder in which its sockets' paths are meant.
    pub root: Arc<Root>,
    /// Where to ask, the best first.
    pub endpoints: Arc<[Endpoint]>,
    /// Changes when a worker has died that may have left its share in the counters.
    pub deaths: u64,
    /// Old workers may hold connections of listeners that are gone.
    pub draining: bool,
    /// Two masters share the port (an upgrade): whose counters come is chance.
    pub shared: bool,
}

/// What came of asking one nginx.
#[derive(Debug)]
pub struct Report {
    /// Which.
    pub instance: Instance,
    /// Where it was asked.
    pub endpoint: Endpoint,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of asking.
#[derive(Debug)]
pub enum Outcome {
    /// It answered.
    Up {
        /// What it said, without what dead workers left.
        counters: Counters,
        /// Connections accepted and not handled since the agent looks.
        dropped: u64,
    },
    /// It did not.
    Down(Problem),
}

/// The task that asks. It ends when this is dropped.
#[derive(Debug)]
pub struct Poller {
    targets: watch::Sender<Vec<Target>>,
    reports: mpsc::Receiver<Report>,
}

impl Poller {
    /// Says whom to ask from now on. They are asked at once.
    pub fn aim(&self, targets: Vec<Target>) {
        let _ = self.targets.send(targets);
    }

    /// What came of asking, if anything did since the last call.
    pub fn report(&mut self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

/// Begins to ask `every` so often. `proc_root` is where the proc file system is mounted.
#[must_use]
pub fn start(proc_root: &Path, every: Duration) -> Poller {
    let (targets, aimed) = watch::channel(Vec::new());
    let (reporter, reports) = mpsc::channel(WAITING_REPORTS);
    let proc_root: Arc<Path> = proc_root.into();
    tokio::spawn(run(proc_root, every, aimed, reporter));
    Poller { targets, reports }
}

async fn run(
    proc_root: Arc<Path>,
    every: Duration,
    mut aimed: watch::Receiver<Vec<Target>>,
    reporter: mpsc::Sender<Report>,
) {
    let shortest = SHORTEST.min(every);
    let mut states: HashMap<Instance, State> = HashMap::new();
    loop {
        let targets = aimed.borrow_and_update().clone();
        states.retain(|instance, _| targets.iter().any(|target| target.instance == *instance));
        if targets.is_empty() {
            if aimed.changed().await.is_err() {
                return;
            }
            continue;
        }
        for some in targets.chunks(AT_ONCE) {
            let mut asking = JoinSet::new();
            for target in some {
                let mut state = states
                    .remove(&target.instance)
                    .unwrap_or_else(|| State::new(target.master));
                let (target, proc_root) = (target.clone(), Arc::clone(&proc_root));
                asking.spawn(async move {
                    let report = state.round(&target, &proc_root, every).await;
                    (target.instance, state, report)
                });
            }
            while let Some(done) = asking.join_next().await {
                let Ok((instance, state, report)) = done else {
                    continue;
                };
                states.insert(instance, state);
                if let Some(report) = report
                    && reporter.send(report).await.is_err()
                {
                    return;
                }
            }
        }
        sleep(shortest).await;
        if let Ok(Err(_)) = timeout(every.saturating_sub(shortest), aimed.changed()).await {
            return;
        }
    }
}

/// What is kept of one nginx between two rounds.
struct State {
    master: u32,
    endpoints: Arc<[Endpoint]>,
    /// None until it was looked at, after each change.
    listeners: Option<Arc<Listeners>>,
    elsewhere: bool,
    /// The endpoint that answered last.
    best: usize,
    deaths: u64,
    residue: Residue,
    not_before: Option<Instant>,
}

impl State {
    fn new(master: u32) -> Self {
        Self {
            master,
            endpoints: Arc::new([]),
            listeners: None,
            elsewhere: false,
            best: 0,
            deaths: 0,
            residue: Residue::new(),
            not_before: None,
        }
    }

    /// Takes over what has changed.
    fn follow(&mut self, target: &Target) {
        if self.master != target.master {
            self.residue.nothing_to_compare();
        }
        if self.master != target.master || !Arc::ptr_eq(&self.endpoints, &target.endpoints) {
            self.master = target.master;
            self.endpoints = Arc::clone(&target.endpoints);
            self.best = 0;
            self.listeners = None;
            self.not_before = None;
        }
        if self.deaths != target.deaths {
            self.deaths = target.deaths;
            self.residue.may_have_grown();
        }
        if target.shared {
            self.residue.nothing_to_compare();
        }
    }

    /// Finds out what the master listens on, after a change.
    async fn look(&mut self, proc_root: &Arc<Path>) {
        if self.listeners.is_none() {
            let (proc_root, master) = (Arc::clone(proc_root), self.master);
            let look = move || {
                let elsewhere = is_elsewhere(&proc_root, master);
                (Listeners::of(&proc_root, master).ok(), elsewhere)
            };
            if let Ok((listeners, elsewhere)) = spawn_blocking(look).await {
                self.listeners = listeners.map(Arc::new);
                self.elsewhere = elsewhere;
            }
        }
    }

    /// Asks once; none while it would be of no use.
    async fn round(
        &mut self,
        target: &Target,
        proc_root: &Arc<Path>,
        every: Duration,
    ) -> Option<Report> {
        self.follow(target);
        if self.not_before.is_some_and(|when| Instant::now() < when) {
            return None;
        }
        self.look(proc_root).await;
        let report = |endpoint: &Endpoint, outcome| {
            Some(Report {
                instance: target.instance.clone(),
                endpoint: endpoint.clone(),
                outcome,
            })
        };
        let mut first: Option<(usize, Problem)> = None;
        let mut lasts = true;
        let count = self.endpoints.len();
        for place in (0..count).map(|step| (self.best + step) % count) {
            let Some(endpoint) = self.endpoints.get(place) else {
                continue;
            };
            match self.try_ask(endpoint, target).await {
                Ok(answer) => {
                    self.best = place;
                    let counters = self.take(answer, target, proc_root).await;
                    let dropped = self.residue.dropped();
                    let endpoint = self.endpoints.get(place)?;
                    return report(endpoint, Outcome::Up { counters, dropped });
                }
                Err(problem) => {
                    lasts &= problem.lasts();
                    // What could be asked tells more than what could not.
                    let better = first
                        .as_ref()
                        .is_none_or(|(_, first)| first.is_our_own() && !problem.is_our_own());
                    if better {
                        first = Some((place, problem));
                    }
                }
            }
        }
        if lasts {
            self.not_before = Instant::now().checked_add(every.saturating_mul(ROUNDS_OF_PATIENCE));
            self.listeners = None;
        }
        let (place, problem) = first?;
        report(self.endpoints.get(place)?, Outcome::Down(problem))
    }

    async fn try_ask(&self, endpoint: &Endpoint, target: &Target) -> Result<Answer, Problem> {
        if endpoint.ssl {
            return Err(Problem::Tls);
        }
        if endpoint.proxy_protocol {
            return Err(Problem::ProxyProtocol);
        }
        if self.elsewhere && matches!(endpoint.address, Address::Tcp(_)) {
            return Err(Problem::OtherNamespace);
        }
        // A configuration may name any address: only this nginx's own are asked.
        let listeners = self.listeners.as_ref();
        if !listeners.is_some_and(|listeners| listeners.serve(&endpoint.address)) {
            return Err(Problem::NotListening);
        }
        ask(endpoint, &target.root).await
    }

    /// What nginx said, less what the dead left.
    async fn take(&mut self, answer: Answer, target: &Target, proc_root: &Arc<Path>) -> Counters {
        let raw = answer.counters;
        let certain = !target.shared && !target.draining;
        let others = match &self.listeners {
            Some(listeners) if certain && self.residue.needs_the_kernel() => {
                let count = Count {
                    listeners: Arc::clone(listeners),
                    proc_root: proc_root.to_path_buf(),
                    master: target.master,
                    own: answer.own,
                };
                // While the answer is held our own connection is open.
                spawn_blocking(move || count.now()).await.ok().flatten()
            }
            _ => None,
        };
        drop(answer);
        if target.shared {
            return raw;
        }
        self.residue.take(raw, others)
    }
}

struct Count {
    listeners: Arc<Listeners>,
    proc_root: PathBuf,
    master: u32,
    own: Own,
}

impl Count {
    fn now(&self) -> Option<u64> {
        self.listeners.count(&self.proc_root, self.master, self.own)
    }
}

//! The logs of every instance, followed and read: as facts and as measurements.

mod access;
mod choose;
mod error;
mod once;
mod readers;
mod said;
mod tried;
mod wanted;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::DirBuilder,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub(crate) use self::tried::{Tried, try_logs};
use self::{
    access::AccessReader,
    choose::{Named, Wanted},
    error::ErrorReader,
    readers::{Known, Lines, Log, Readers},
    said::Said,
};
use crate::{
    clock::Time,
    config,
    facts::{Fact, Instance},
    follow::{Follower, Followers, Positions, PositionsError, Start},
    options::RunOptions,
    rooted::Root,
    sinks::metrics::Metrics,
    source::Stem,
};

/// How long a log is read that no running master names.
const KEEP_UNWANTED: Duration = Duration::from_mins(1);

/// Which log: whoever names it, it is read once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    kind: Kind,
    /// Device and inode of the root folder that the path is in: a container that is made anew has
    /// other files by the same names.
    root: Option<(u64, u64)>,
    /// In that root.
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Access,
    Error,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Access, Self::Error];

    /// As in the metric label `log`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Error => "error",
        }
    }

    const fn stem(self) -> Stem {
        match self {
            Self::Access => Stem::AccessLog,
            Self::Error => Stem::ErrorLog,
        }
    }
}

/// Every log that is followed.
pub(super) struct Logs {
    named: Named,
    followers: Followers<u32>,
    readers: Readers,
    last_id: u32,
    /// The instance that was seen last.
    last: Option<Instance>,
    /// Whose the named logs are now that no master runs.
    alone: Option<Instance>,
    said: Said,
    started: Time,
    /// The first look at the host is over: a log that appears now is new.
    settled: bool,
}

impl Logs {
    pub(super) fn new(options: &RunOptions, metrics: Arc<Metrics>) -> Self {
        let mut said = Said::default();
        let positions = options.state().map_or_else(Positions::in_memory, |folder| {
            if let Err(error) = DirBuilder::new().recursive(true).mode(0o750).create(folder) {
                log::warn!("cannot make the folder {}: {error}", folder.display());
            }
            let (positions, problem) = Positions::open(folder);
            match problem {
                Some(locked @ PositionsError::Locked { .. }) => said.saved(Err(locked)),
                Some(problem) => log::warn!("{problem}"),
                None => {}
            }
            positions
        });
        Self {
            named: Named::of(&options.watch),
            followers: Followers::new(),
            readers: Readers {
                logs: HashMap::new(),
                places: HashMap::new(),
                facts: Vec::new(),
                positions,
                metrics,
                changed: true,
                wanted: wanted::Wanted::default(),
                alone: true,
            },
            last_id: 0,
            last: None,
            alone: None,
            said,
            started: Time::now(),
            settled: false,
        }
    }

    /// Whether some log of an instance is read, though it may be gone.
    pub(super) fn reads(&self, instance: &Instance) -> bool {
        let mut logs = self.readers.logs.values();
        logs.any(|log| log.instance == *instance)
    }

    /// Whether what an instance writes to its error log is read.
    pub(super) fn reads_errors(&self, instance: &Instance) -> bool {
        self.readers
            .of(Kind::Error)
            .any(|log| log.instance == *instance && log.problem.is_none())
    }

    /// Whether an access log of an instance is read; if so, whether each has the upstreams' statuses.
    pub(super) fn reads_answers(&self, instance: &Instance) -> Option<bool> {
        let of_instance = |log: &&Log| log.instance == *instance && log.problem.is_none();
        let mut logs = self.readers.of(Kind::Access).filter(of_instance).peekable();
        logs.peek()?;
        Some(logs.all(|log| match &log.lines {
            Lines::Access(reader) => reader.has_upstream_status(),
            Lines::Error(_) => false,
        }))
    }

    /// From now on a log that was made after the agent's start is read from its beginning.
    pub(super) fn settled(&mut self) {
        self.settled = true;
    }

    /// Follows what the masters' configurations name. A log that is already followed goes on where
    /// it was.
    pub(super) fn follow<'a>(
        &mut self,
        masters: impl Iterator<Item = (u32, &'a Instance, Option<&'a config::Master>)>,
    ) {
        let mut wanted = HashSet::new();
        // Two masters of one instance, during an upgrade, have the same problems.
        let mut problems: BTreeMap<Instance, Vec<String>> = BTreeMap::new();
        // Of two that name one file the same one has it, whichever was found first.
        let mut masters: Vec<_> = masters.collect();
        masters.sort_by(|a, b| (a.1, a.0).cmp(&(b.1, b.0)));
        let why = why_none(masters.iter().map(|master| master.2.is_some()));
        let alone = self.stand_in(masters.iter().map(|master| master.1));
        let alone = alone.iter().map(|instance| (instance, None));
        let masters = masters.into_iter().map(|(_, name, config)| (name, config));
        for (instance, config) in masters.chain(alone) {
            let choice = self.named.choose(config);
            let problems = problems.entry(instance.clone()).or_default();
            problems.extend(choice.problems);
            for log in choice.wanted {
                wanted.insert((self.take_up(log, instance), instance.clone()));
            }
        }
        let now = Time::now();
        for (id, log) in &mut self.readers.logs {
            log.unwanted_since = match log.unwanted_since {
                _ if wanted.contains(&(*id, log.instance.clone())) => None,
                since => since.or(Some(now)),
            };
        }
        self.said.problems(problems);
        for kind in Kind::ALL {
            let followed = self.readers.of(kind).next().is_some();
            self.said.idle(kind, why.filter(|_| !followed));
        }
        self.readers.report();
    }

    /// Whose the logs are that the operator named, while no master runs: the last one's, else what
    /// else is known of it. Lets go of what it had when masters of other names run.
    fn stand_in<'a>(
        &mut self,
        mut running: impl Iterator<Item = &'a Instance> + Clone,
    ) -> Option<Instance> {
        if let Some(first) = running.clone().next() {
            if let Some(alone) = self.alone.take()
                && running.all(|instance| *instance != alone)
            {
                self.readers.logs.retain(|_, log| log.instance != alone);
                self.forget_places();
            }
            self.last = Some(first.clone());
            return None;
        }
        let named = self.named.instance_alone()?;
        let alone = self.last.clone().unwrap_or(named);
        if self.alone.replace(alone.clone()).is_none() {
            log::info!("no nginx master is known; the logs that were named count for {alone}");
        }
        Some(alone)
    }

    /// Forgets the names of logs that are not read any more; whether there were any.
    fn forget_places(&mut self) -> bool {
        let fewer = self.readers.forget_places();
        if fewer {
            let logs = &self.readers.logs;
            self.followers.retain(|id, _| logs.contains_key(id));
            self.readers.changed = true;
            self.readers.report();
        }
        fewer
    }

    /// Reads a log also with these formats, from now on if it was not read yet; by what number it
    /// goes.
    fn take_up(&mut self, wanted: Wanted, instance: &Instance) -> u32 {
        match self.readers.places.get(&wanted.place).map(|known| known.id) {
            Some(id) => {
                if let Some(known) = self.readers.logs.get_mut(&id)
                    && let Lines::Access(reader) = &mut known.lines
                {
                    reader.set_formats(wanted.formats);
                }
                id
            }
            None => self.start(wanted, instance),
        }
    }

    fn start(&mut self, wanted: Wanted, instance: &Instance) -> u32 {
        let Wanted {
            place,
            root,
            formats,
        } = wanted;
        log::debug!("following {} of {instance}", place.path.display());
        let start = self.start_of(&place, instance, &root);
        let follower = Follower::new(Arc::clone(&root), place.path.clone(), start);
        let metrics = &self.readers.metrics;
        let lines = match place.kind {
            Kind::Access => Lines::Access(AccessReader::new(formats, metrics.durations(instance))),
            Kind::Error => Lines::Error(Box::new(ErrorReader::of(&root))),
        };
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        self.followers.insert(id, follower);
        let log = Log {
            place: place.clone(),
            instance: instance.clone(),
            lines,
            problem: None,
            unwanted_since: None,
        };
        self.readers.logs.insert(id, log);
        self.readers.places.insert(place, Known { id, root });
        self.readers.changed = true;
        id
    }

    /// Where to begin: where this agent or an earlier one was, by whatever name it knew the file,
    /// else with what is written from now on. A file that was made since the agent began has been
    /// read by nobody.
    fn start_of(&self, place: &Place, instance: &Instance, root: &Root) -> Start {
        let (positions, kind) = (&self.readers.positions, place.kind.as_str());
        let file = root.open_regular(&place.path).ok();
        let file = file.and_then(|(file, _)| file.metadata().ok());
        let before = file
            .as_ref()
            .and_then(|file| positions.of_file(kind, file.dev(), file.ino()))
            .or_else(|| positions.get(instance, kind, &place.path));
        if let Some(before) = before {
            return Start::Resume(before.clone());
        }
        let made = file.and_then(|file| file.created().ok());
        if self.settled && made.is_some_and(|made| made > self.started.system()) {
            return Start::Beginning;
        }
        Start::End
    }

    /// Lets go of logs that no running master has named for a while, until when they are read on:
    /// their last lines are still to come, and a master that is started again takes them up. Keeps
    /// how far every log was read.
    ///
    /// `true` when some were let go: another instance may name the same file.
    pub(super) fn look(&mut self) -> bool {
        let now = Time::now();
        self.readers.logs.retain(|_, log| {
            log.unwanted_since
                .is_none_or(|since| now.since(since) < KEEP_UNWANTED)
        });
        let fewer = self.forget_places();
        for log in self.readers.logs.values_mut() {
            if let Lines::Access(reader) = &mut log.lines
                && let Some(complaint) = reader.complaint()
            {
                log::warn!("{}: {complaint}", log.place.path.display());
            }
        }
        for notice in self.followers.take_notices() {
            log::warn!("{notice}");
        }
        match self.readers.positions.save_if_due() {
            Ok(false) => {}
            tried => self.said.saved(tried.map(|_| ())),
        }
        fewer
    }

    /// Whether nothing but the logs tells of requests.
    pub(super) fn read_alone(&mut self, alone: bool) {
        self.readers.alone = alone;
    }

    /// Waits until there is something to read.
    pub(super) async fn wait(&mut self) {
        self.followers.wait().await;
    }

    /// What was written since the last call, in the logs that are due.
    pub(super) fn poll(&mut self) -> Vec<Fact> {
        self.followers.poll(&mut self.readers);
        self.readers.take()
    }

    /// What was written until now, in all logs; the last call.
    pub(super) fn finish(&mut self) -> Vec<Fact> {
        self.followers.poll_all(&mut self.readers);
        let saved = self.readers.positions.save();
        self.said.saved(saved);
        self.readers.take()
    }
}

/// Why no log may be followed, of masters whose configurations were read or not. Without a master
/// that is said already.
fn why_none(masters: impl Iterator<Item = bool> + Clone) -> Option<&'static str> {
    masters.clone().next()?;
    Some(if masters.into_iter().any(|read| read) {
        "the configuration names none that can be read"
    } else {
        "the configuration of nginx cannot be read"
    })
}

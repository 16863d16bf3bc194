//! The access logs of every instance, as facts.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    access_log::{Combined, Follower},
    clock::Time,
    config::{self, LogTarget},
    facts::{Event, Fact, Instance},
    options::LogOption,
    rooted::Root,
    sinks::metrics::Metrics,
    source::Stem,
};

/// Every access log that is followed.
pub(super) struct AccessLogs {
    /// Logs that the operator named, which stand for those of the configuration.
    named: Vec<PathBuf>,
    followed: HashMap<(Instance, PathBuf), Log>,
    metrics: Arc<Metrics>,
}

struct Log {
    follower: Follower,
    /// What kept it from being read, so that it is said once.
    problem: Option<String>,
    /// Since when no running master names it.
    unwanted_since: Option<Time>,
}

/// How long a log is read that no running master names.
const KEEP_UNWANTED: Duration = Duration::from_mins(1);

impl AccessLogs {
    pub(super) fn new(named: &[LogOption], metrics: Arc<Metrics>) -> Self {
        let named = named.iter().map(|log| log.path.clone()).collect();
        Self {
            named,
            followed: HashMap::new(),
            metrics,
        }
    }

    /// Follows what the masters' configurations name. A log that is already followed goes on where
    /// it was.
    pub(super) fn follow<'a>(
        &mut self,
        masters: impl Iterator<Item = (u32, &'a Instance, Option<&'a config::Master>)>,
    ) {
        let mut wanted = HashSet::new();
        for (_, instance, config) in masters {
            if let Some(config) = config {
                for (root, path) in self.paths(config) {
                    let key = (instance.clone(), path);
                    if !self.followed.contains_key(&key) {
                        self.start(&key, root);
                    }
                    wanted.insert(key);
                }
            }
        }
        let now = Time::now();
        for (key, log) in &mut self.followed {
            log.unwanted_since = match log.unwanted_since {
                _ if wanted.contains(key) => None,
                since => since.or(Some(now)),
            };
        }
    }

    /// Lets go of logs that no running master has named for a while. Until then they are read on:
    /// their last lines are still to come, and a master that is started again takes them up.
    pub(super) fn retire(&mut self) {
        let now = Time::now();
        self.followed.retain(|_, log| {
            log.unwanted_since
                .is_none_or(|since| now.since(since) < KEEP_UNWANTED)
        });
    }

    fn paths(&self, config: &config::Master) -> Vec<(Arc<Root>, PathBuf)> {
        if !self.named.is_empty() {
            let Ok(root) = Root::at(Path::new("/")) else {
                return Vec::new();
            };
            let root = Arc::new(root);
            return self
                .named
                .iter()
                .map(|path| (Arc::clone(&root), path.clone()))
                .collect();
        }
        let mut paths = Vec::new();
        for log in &config.settings.access_logs {
            match &log.target {
                LogTarget::File(path) if log.format == "combined" => {
                    paths.push((Arc::clone(&config.root), path.clone()));
                }
                LogTarget::File(path) => log::warn!(
                    "{} is not followed: its format {} is not combined",
                    path.display(),
                    log.format
                ),
                LogTarget::Unreadable { why } => log::warn!("an access log cannot be read: {why}"),
                LogTarget::Off | LogTarget::Syslog(_) => {}
            }
        }
        paths
    }

    fn start(&mut self, key: &(Instance, PathBuf), root: Arc<Root>) {
        let follower = Follower::new(root, key.1.clone());
        let same_file = follower.identity().is_some_and(|identity| {
            self.followed
                .values()
                .any(|log| log.follower.identity() == Some(identity))
        });
        if same_file {
            log::info!(
                "{} is a log that is followed already; its answers are counted once",
                key.1.display()
            );
            return;
        }
        log::debug!("following {} of {}", key.1.display(), key.0);
        self.followed.insert(
            key.clone(),
            Log {
                follower,
                problem: None,
                unwanted_since: None,
            },
        );
    }

    /// What was written since the last call.
    pub(super) fn poll(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut changed = false;
        for ((instance, path), log) in &mut self.followed {
            let mut codes: BTreeMap<u16, u64> = BTreeMap::new();
            let mut unparsed = 0;
            let result = log.follower.poll(&mut |line| match Combined::parse(line) {
                Some(line) => *codes.entry(line.status).or_default() += 1,
                None => unparsed += 1,
            });
            let problem = match &result {
                Ok(progress) => {
                    unparsed += progress.read.overlong + progress.read.torn;
                    progress
                        .path_problem
                        .as_ref()
                        .filter(|problem| !problem.is_missing())
                        .map(ToString::to_string)
                }
                Err(error) => Some(error.to_string()),
            };
            if problem != log.problem {
                match &problem {
                    Some(problem) => log::warn!("access log: {problem}; trying on"),
                    None => log::info!("access log: {} can be read now", path.display()),
                }
                log.problem = problem;
                changed = true;
            }
            let parsed: u64 = codes.values().sum();
            if parsed + unparsed > 0 {
                self.metrics.lines("access", parsed, unparsed);
            }
            if parsed > 0 {
                let event = Event::Responses(codes);
                facts.push(Fact {
                    time: Time::now(),
                    instance: instance.clone(),
                    event,
                });
            }
        }
        if changed {
            let up = self.followed.values().all(|log| log.problem.is_none());
            self.metrics.set_source(Stem::AccessLog, up);
        }
        facts
    }
}

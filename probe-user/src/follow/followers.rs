//! Many logs, each looked at when there is a reason to.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;

use self::schedule::{Found, GATHER};
use super::watcher::{Watch, Watcher};
use super::{Buffer, FollowError, Follower, Progress};

/// How long one [`Followers::poll`] takes at most, but for the log it is at.
const TURN: Duration = Duration::from_millis(50);

/// What the owner does with the lines.
pub trait Reader<K> {
    /// One line of the log `key`, without its line feed.
    fn line(&mut self, key: &K, line: &[u8]);

    /// The log `key` was looked at; its lines were given before.
    fn polled(&mut self, key: &K, log: &Follower, result: Result<Progress, FollowError>);

    /// Whether the log `key` is to be read after all that are not: what they say of the same thing was
    /// written before.
    fn is_second(&self, _key: &K) -> bool {
        false
    }

    /// The paths of `key` and of `other`, which has it already, lead to one file. `true` lets go of
    /// `key`, so that each line comes once; nothing was read by that path yet.
    fn same(&mut self, _key: &K, _other: &K) -> bool {
        true
    }
}

/// Follows any number of logs, each under a key of the owner's.
#[derive(Debug)]
pub struct Followers<K> {
    logs: HashMap<u32, Log<K>>,
    last_id: u32,
    watches: HashMap<Watch, Vec<u32>>,
    watcher: Option<Watcher>,
    /// The watcher's descriptor again, registered with tokio.
    readable: Option<AsyncFd<std::os::fd::OwnedFd>>,
    gather_until: Option<Instant>,
    epoch: Instant,
    notices: Vec<String>,
    refusal_told: bool,
    buffer: Buffer,
}

#[derive(Debug)]
struct Log<K> {
    key: K,
    follower: Follower,
    /// The file of which was looked whether another log reads it.
    alone_at: Option<(u64, u64)>,
    due: Instant,
    watch: Option<(Watch, (u64, u64))>,
    /// Not to be watched before this.
    refused_until: Option<Instant>,
    /// Times that it grew while it was watched and nothing was told.
    silent: u8,
}

impl<K> Default for Followers<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Followers<K> {
    /// No logs yet. Without inotify, logs are polled.
    #[must_use]
    pub fn new() -> Self {
        match Watcher::new() {
            Ok(watcher) => Self::with(Some(watcher)),
            Err(refused) => {
                let mut followers = Self::polling();
                followers.tell_refusal(refused);
                followers
            }
        }
    }

    /// No logs yet, and none of them will be watched.
    #[must_use]
    pub fn polling() -> Self {
        Self::with(None)
    }

    fn with(watcher: Option<Watcher>) -> Self {
        Self {
            logs: HashMap::new(),
            last_id: 0,
            watches: HashMap::new(),
            watcher,
            readable: None,
            gather_until: None,
            epoch: Instant::now(),
            notices: Vec::new(),
            refusal_told: false,
            buffer: Buffer::default(),
        }
    }

    /// Follows one more log. It is due at once.
    pub fn insert(&mut self, key: K, follower: Follower) {
        self.last_id = self.last_id.wrapping_add(1);
        let log = Log {
            key,
            follower,
            alone_at: None,
            due: Instant::now(),
            watch: None,
            refused_until: None,
            silent: 0,
        };
        self.logs.insert(self.last_id, log);
    }

    /// Lets go of every log for which `keep` is `false`.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &Follower) -> bool) {
        let gone: Vec<u32> = self
            .logs
            .iter()
            .filter(|(_, log)| !keep(&log.key, &log.follower))
            .map(|(&id, _)| id)
            .collect();
        for id in gone {
            self.unwatch(id);
            self.logs.remove(&id);
        }
    }

    /// Every log, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Follower)> {
        self.logs.values().map(|log| (&log.key, &log.follower))
    }

    /// Logs that the kernel watches now: those at rest.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.logs.values().filter(|log| log.watch.is_some()).count()
    }

    /// What an operator should be told once, in words.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// When the next log is due, events aside; `None` without logs.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.logs.values().map(|log| log.due).min()
    }

    /// Waits until a log is due. Nothing is lost when the future is dropped.
    ///
    /// Needs a tokio runtime with I/O and time.
    pub async fn wait(&mut self) {
        loop {
            let Some(due) = self.next_due() else {
                return std::future::pending().await;
            };
            let due = self.gather_until.map_or(due, |until| due.min(until));
            if due <= Instant::now() {
                self.gather_until = None;
                if self.next_due().is_some_and(|due| due <= Instant::now()) {
                    return;
                }
                continue;
            }
            self.register();
            let sleep = tokio::time::sleep_until(due.into());
            match &self.readable {
                // Events are gathered for a while before they are looked at again.
                Some(readable) if self.gather_until.is_none() => {
                    tokio::select! {
                        ready = readable.readable() => {
                            if let Ok(mut ready) = ready {
                                ready.clear_ready();
                            }
                            self.take_events();
                            self.gather_until = Some(Instant::now() + GATHER);
                        }
                        () = sleep => {}
                    }
                }
                _ => sleep.await,
            }
        }
    }

    /// [`Followers::wait`] without tokio, for at most `limit`; whether a log is due.
    pub fn wait_blocking(&mut self, limit: Duration) -> bool {
        let now = Instant::now();
        let Some(due) = self.next_due() else {
            std::thread::sleep(limit);
            return false;
        };
        let wait = due.saturating_duration_since(now).min(limit);
        match &self.watcher {
            Some(watcher) if !wait.is_zero() => {
                if watcher.wait(wait).unwrap_or(false) {
                    std::thread::sleep(GATHER.min(limit));
                    self.take_events();
                }
            }
            _ => std::thread::sleep(wait),
        }
        self.next_due().is_some_and(|due| due <= Instant::now())
    }

    /// Reads the logs that are due, the one that waited longest first, for about 50 milliseconds;
    /// those not reached stay due.
    pub fn poll(&mut self, reader: &mut impl Reader<K>) {
        self.take_events();
        let begin = Instant::now();
        let mut due: Vec<(Instant, u32)> = self
            .logs
            .iter()
            .filter(|(_, log)| log.due <= begin + GATHER / 4)
            .map(|(&id, log)| (log.due, id))
            .collect();
        due.sort_unstable();
        let is_second = |id: &u32| {
            self.logs
                .get(id)
                .is_some_and(|log| reader.is_second(&log.key))
        };
        let (second, mut first): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, id)| is_second(id));
        if !second.is_empty() {
            let known: HashSet<u32> = first.iter().map(|(_, id)| *id).collect();
            let others = self
                .logs
                .keys()
                .filter(|id| !known.contains(*id) && !is_second(id));
            first.extend(others.map(|id| (begin, *id)));
        }
        first.extend(second);
        let due = first;
        self.part(due.iter().map(|(_, id)| *id), reader);
        for (_, id) in due {
            self.poll_one(id, reader);
            if begin.elapsed() > TURN {
                break;
            }
        }
    }

    /// Reads every log once, due or not: before the end.
    pub fn poll_all(&mut self, reader: &mut impl Reader<K>) {
        let ids: Vec<u32> = self.logs.keys().copied().collect();
        self.part(ids.iter().copied(), reader);
        for id in ids {
            self.poll_one(id, reader);
        }
    }

    fn poll_one(&mut self, id: u32, reader: &mut impl Reader<K>) {
        let Some(log) = self.logs.get_mut(&id) else {
            return;
        };
        let result = log
            .follower
            .poll(&mut self.buffer, &mut |line| reader.line(&log.key, line));
        let found = result.as_ref().ok().map(|progress| Found {
            bytes: progress.read.bytes,
            lines: progress.read.lines,
            more: progress.more,
        });
        reader.polled(&log.key, &log.follower, result);
        let due = self.next_look(id, found.as_ref());
        if let Some(log) = self.logs.get_mut(&id) {
            log.due = due;
        }
    }
}

mod same;
mod schedule;

#[cfg(test)]
mod tests;

//! When each log is looked at next, and which of them the kernel watches meanwhile.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Followers;
use crate::follow::watcher::Refused;

/// From the first event to the look: what other workers write meanwhile, and what other logs tell,
/// costs no wake-up of its own.
pub(super) const GATHER: Duration = Duration::from_millis(20);

/// Between two looks at a log to which much is written. It is not watched then, and so costs its
/// writer nothing.
const BUSY: Duration = Duration::from_millis(50);

/// A log with more lines than this in one look is busy.
const FEW_LINES: u64 = 8;

/// Between two looks while a log is rotated, and at a file that cannot be watched.
const POLL: Duration = Duration::from_millis(100);

/// Between two looks for a file that is not there.
const ABSENT: Duration = Duration::from_secs(1);

/// Between two looks at a log that is watched, should the file system tell nothing.
const SAFETY: Duration = Duration::from_secs(2);

/// Until a watch that was refused is tried again.
const RETRY: Duration = Duration::from_mins(1);

/// Times that a watched file grows without an event before it is polled for good.
const DEAF: u8 = 3;

/// What one look gave.
pub(super) struct Found {
    pub bytes: u64,
    pub lines: u64,
    pub more: bool,
}

impl<K> Followers<K> {
    /// When the log is looked at next, after a look that gave `found`. Watches it, or ends a watch.
    pub(super) fn next_look(&mut self, id: u32, found: Option<&Found>) -> Instant {
        let now = Instant::now();
        let (absent, safety) = (self.tick_after(now, ABSENT), self.tick_after(now, SAFETY));
        let Some(log) = self.logs.get_mut(&id) else {
            return now;
        };
        let Some(found) = found else {
            self.unwatch(id);
            return absent;
        };
        if found.more {
            return now;
        }
        if log.follower.is_moving() {
            self.unwatch(id);
            return now + POLL;
        }
        let identity = log.follower.identity();
        let watched = log.watch.is_some_and(|(_, file)| Some(file) == identity);
        if watched && found.bytes > 0 {
            log.silent += 1;
            if log.silent == DEAF {
                self.notices.push(format!(
                    "the file system of {} does not tell of changes; it is looked at every {} ms instead",
                    log.follower.path().display(),
                    POLL.as_millis()
                ));
            }
        }
        if log.silent >= DEAF {
            self.unwatch(id);
            return now + POLL;
        }
        if found.lines > FEW_LINES {
            self.unwatch(id);
            return now + BUSY;
        }
        if !watched {
            self.unwatch(id);
            match self.watch(id, now) {
                Ok(true) => return now + GATHER,
                Ok(false) => {}
                Err(()) if identity.is_some() => return now + POLL,
                Err(()) => return absent,
            }
        }
        let missing = self
            .logs
            .get(&id)
            .is_some_and(|log| log.follower.is_missing());
        if missing { absent } else { safety }
    }

    /// Watches a log; whether something happened before it was watched.
    fn watch(&mut self, id: u32, now: Instant) -> Result<bool, ()> {
        let (Some(watcher), Some(log)) = (&self.watcher, self.logs.get_mut(&id)) else {
            return Err(());
        };
        if log.refused_until.is_some_and(|until| now < until) {
            return Err(());
        }
        let Some(identity) = log.follower.identity() else {
            return Err(());
        };
        match watcher.arm(&log.follower) {
            Ok(watch) => {
                log.watch = Some((watch, identity));
                log.refused_until = None;
                self.watches.entry(watch).or_default().push(id);
                Ok(log.follower.has_changed())
            }
            Err(refused) => {
                log.refused_until = Some(now + RETRY);
                self.tell_refusal(refused);
                Err(())
            }
        }
    }

    pub(super) fn unwatch(&mut self, id: u32) {
        let Some((watch, _)) = self.logs.get_mut(&id).and_then(|log| log.watch.take()) else {
            return;
        };
        if let Some(ids) = self.watches.get_mut(&watch) {
            ids.retain(|&other| other != id);
            if ids.is_empty() {
                self.watches.remove(&watch);
                if let Some(watcher) = &self.watcher {
                    watcher.disarm(watch);
                }
            }
        }
    }

    /// Makes the logs due of which the kernel told something.
    pub(super) fn take_events(&mut self) {
        let Some(watcher) = &self.watcher else {
            return;
        };
        let due = Instant::now() + GATHER;
        let mut fired = watcher.fired();
        if fired.lost {
            fired.watches = self.watches.keys().copied().collect();
        }
        for watch in fired.watches {
            if fired.lost {
                watcher.disarm(watch);
            }
            for id in self.watches.remove(&watch).unwrap_or_default() {
                if let Some(log) = self.logs.get_mut(&id) {
                    log.watch = None;
                    log.silent = 0;
                    log.due = log.due.min(due);
                }
            }
        }
    }

    pub(super) fn tell_refusal(&mut self, refused: Refused) {
        if !std::mem::replace(&mut self.refusal_told, true) {
            self.notices.push(format!(
                "not every log can be watched: {refused}; those are looked at every {} ms instead",
                POLL.as_millis()
            ));
        }
    }

    /// Looks that have time are made together, so that many logs cost few wake-ups.
    fn tick_after(&self, now: Instant, every: Duration) -> Instant {
        let since = now.saturating_duration_since(self.epoch).as_millis();
        let passed = since / every.as_millis().max(1);
        let next = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
        self.epoch + every * next
    }

    /// Registers the watcher with tokio, once; without it the timers alone must do.
    pub(super) fn register(&mut self) {
        if self.readable.is_some() {
            return;
        }
        let Some(fd) = self.watcher.as_ref().map(AsFd::as_fd) else {
            return;
        };
        let registered = fd.try_clone_to_owned().and_then(|fd| {
            // SAFETY: the descriptor is owned by the registration alone, which closes it only when
            // it is dropped itself.
            unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(Into::into)
        });
        match registered {
            Ok(readable) => self.readable = Some(readable),
            Err(error) => {
                self.watcher = None;
                self.watches.clear();
                for log in self.logs.values_mut() {
                    log.watch = None;
                    log.due = Instant::now();
                }
                self.notices
                    .push(format!("logs are polled, not watched: {error}"));
            }
        }
    }
}

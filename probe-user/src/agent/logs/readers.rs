//! What becomes of the lines of each log.

use std::{collections::HashMap, sync::Arc};

use super::{Kind, Place, access::AccessReader, error::ErrorReader, wanted::Wanted};
use crate::{
    clock::Time,
    facts::{Event, Fact, Instance, Logged},
    follow::{FollowError, Follower, Positions, Progress, Reader},
    rooted::Root,
    sinks::metrics::Metrics,
};

/// What takes the lines.
pub(super) struct Readers {
    pub(super) logs: HashMap<u32, Log>,
    /// Every name of a log, and by what number the log goes.
    pub(super) places: HashMap<Place, Known>,
    pub(super) facts: Vec<Fact>,
    pub(super) positions: Positions,
    pub(super) metrics: Arc<Metrics>,
    /// Some log can be read now that could not, or the reverse.
    pub(super) changed: bool,
    pub(super) wanted: Wanted,
    /// Nothing but the logs tells of requests.
    pub(super) alone: bool,
}

/// What a log goes by.
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) root: Arc<Root>,
}

pub(super) struct Log {
    /// The name that it is read by.
    pub(super) place: Place,
    /// Whose lines they are.
    pub(super) instance: Instance,
    pub(super) lines: Lines,
    /// What kept it from being read, so that it is said once.
    pub(super) problem: Option<String>,
    /// Since when no running master names it.
    pub(super) unwanted_since: Option<Time>,
}

pub(super) enum Lines {
    Access(AccessReader),
    Error(Box<ErrorReader>),
}

impl Readers {
    pub(super) fn take(&mut self) -> Vec<Fact> {
        self.report();
        std::mem::take(&mut self.facts)
    }

    /// Says of each source whether there are logs to read and all of them can be.
    pub(super) fn report(&mut self) {
        if std::mem::take(&mut self.changed) {
            for kind in Kind::ALL {
                let mut logs = self.of(kind).peekable();
                let up = logs.peek().is_some() && logs.all(|log| log.problem.is_none());
                self.metrics.set_source(kind.stem(), up);
            }
        }
    }

    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Log> {
        self.logs.values().filter(move |log| log.place.kind == kind)
    }

    /// Forgets names of logs that are not read any more, and those that lead to another file by now
    /// than the one that is read; whether there were any.
    pub(super) fn forget_places(&mut self) -> bool {
        let (before, logs, places) = (self.places.len(), &self.logs, &self.places);
        let file_at = |place: &Place| places.get(place).and_then(|known| known.file(place));
        let is_stale = |place: &Place, known: &Known| match logs.get(&known.id) {
            None => true,
            Some(log) if log.place == *place => false,
            Some(log) => match (file_at(&log.place), known.file(place)) {
                (Some(read), Some(file)) => read != file,
                _ => false,
            },
        };
        let stale: Vec<Place> = places
            .iter()
            .filter(|(place, known)| is_stale(place, known))
            .map(|(place, _)| place.clone())
            .collect();
        for place in stale {
            self.places.remove(&place);
        }
        self.places.len() < before
    }
}

impl Known {
    /// Device and inode of the file that is there now.
    fn file(&self, place: &Place) -> Option<(u64, u64)> {
        let stat = self.root.stat(&place.path).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }
}

impl Reader<u32> for Readers {
    fn line(&mut self, id: &u32, line: &[u8]) {
        if let Some(log) = self.logs.get_mut(id) {
            match &mut log.lines {
                Lines::Access(reader) => {
                    let wanted = &mut self.wanted;
                    let instance = &log.instance;
                    reader.line(line, |status, entry, escape| {
                        if wanted.is_empty() {
                            return None;
                        }
                        let logged = Logged::of_better(entry, status, escape)?;
                        wanted.take(instance, &logged).then_some(logged)
                    });
                }
                Lines::Error(reader) => reader.line(line),
            }
        }
    }

    fn is_second(&self, id: &u32) -> bool {
        // nginx logs an answer when it is over, and what went wrong before that.
        let log = self.logs.get(id);
        log.is_some_and(|log| log.place.kind == Kind::Access)
    }

    fn same(&mut self, id: &u32, other: &u32) -> bool {
        let kind = |id| self.logs.get(id).map(|log| log.place.kind);
        if kind(id) != kind(other) {
            return false;
        }
        let Some(log) = self.logs.remove(id) else {
            return true;
        };
        if let Some(same) = self.logs.get_mut(other) {
            log::info!(
                "{} of {} is the file {} of {}, which is followed already; its lines count once",
                log.place.path.display(),
                log.instance,
                same.place.path.display(),
                same.instance
            );
            if let (Lines::Access(reader), Lines::Access(more)) = (&mut same.lines, log.lines) {
                reader.add_formats(more.into_formats());
            }
        }
        for known in self.places.values_mut().filter(|known| known.id == *id) {
            known.id = *other;
        }
        true
    }

    fn polled(&mut self, id: &u32, follower: &Follower, result: Result<Progress, FollowError>) {
        let Some(log) = self.logs.get_mut(id) else {
            return;
        };
        let instance = &log.instance;
        let Place { kind, path, .. } = &log.place;
        let mut lost = 0;
        let problem = match &result {
            Ok(progress) => {
                lost += progress.read.overlong + progress.read.torn;
                self.metrics
                    .log_lost(kind.as_str(), progress.read.skipped_bytes, progress.gaps);
                if progress.gaps > 0 || progress.read.skipped_bytes > 0 {
                    log::warn!(
                        "{}: a part was not read: {} bytes skipped, {} files not found again",
                        path.display(),
                        progress.read.skipped_bytes,
                        progress.gaps
                    );
                }
                let problem = progress.path_problem.as_ref();
                problem
                    .filter(|problem| !problem.is_missing())
                    .map(ToString::to_string)
            }
            Err(error) => Some(error.to_string()),
        };
        if problem != log.problem {
            match &problem {
                Some(problem) => log::warn!("{} log: {problem}; trying on", kind.as_str()),
                None => log::info!("{} log: {} can be read now", kind.as_str(), path.display()),
            }
            log.problem = problem;
            self.changed = true;
        }
        let mut facts = Vec::new();
        let (parsed, unparsed) = match &mut log.lines {
            Lines::Access(reader) => {
                let (parsed, unparsed, events) = reader.finish();
                facts = events;
                (parsed, unparsed)
            }
            Lines::Error(reader) => {
                let messages = reader.finish();
                for ((level, class), count) in messages.counts {
                    self.metrics.messages(instance, level.name(), class, count);
                }
                for (_, event) in &messages.facts {
                    if let Event::Noted(note) = event {
                        self.wanted.add(instance, note, Time::now(), self.alone);
                    }
                }
                facts.extend(messages.facts);
                (messages.parsed, messages.unparsed)
            }
        };
        if parsed + unparsed + lost > 0 {
            self.metrics.lines(kind.as_str(), parsed, unparsed + lost);
        }
        self.facts.extend(
            facts
                .into_iter()
                .map(|(time, event): (Option<Time>, Event)| Fact {
                    time: time.unwrap_or_else(Time::now),
                    instance: instance.clone(),
                    event,
                }),
        );
        // Another root may have a log by this name by now.
        if log.unwanted_since.is_none()
            && let Some(position) = follower.position()
        {
            self.positions.set(instance, kind.as_str(), path, position);
        }
    }
}

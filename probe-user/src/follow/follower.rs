//! Follows one log, through rotation.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mark::{MAX_EARLIER, Mark, Position};
use super::progress::{FollowError, Progress};
use super::siblings;
use super::tail::{Buffer, Read, Tail, identity_of};
use crate::clock::Time;
use crate::rooted::{OpenError, Root};

/// Between two looks at the path of a file to which nothing happens: another file may take the
/// path without touching this one, and not every file system keeps change times.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a file that was rotated away is read after its last line. nginx goes on writing to it
/// until every worker has seen the `USR1`.
const LINGER: Duration = Duration::from_secs(10);

/// The same while nothing was written to the new file: the `USR1` may not have been sent yet.
/// logrotate sends one for many logs, after it has renamed the last.
const LONG_LINGER: Duration = Duration::from_mins(5);

/// Rotated files that are read at the same time.
const MAX_ROTATED: usize = MAX_EARLIER;

/// Times are kept in whole seconds, and files' times lag behind the clock by some milliseconds.
const SLACK_SECONDS: i64 = 2;

/// Where following begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the present end. A file that is not there yet is waited for and counts whole.
    End,
    /// At the beginning of the present file.
    Beginning,
    /// Where an earlier follower of the same log was, in that file or in what became of it.
    Resume(Position),
}

/// Follows one log file.
#[derive(Debug)]
pub struct Follower {
    root: Arc<Root>,
    path: PathBuf,
    current: Option<Tail>,
    /// Earlier files of that name, oldest first.
    rotated: VecDeque<Tail>,
    /// Earlier files that were read to their ends and let go.
    finished: VecDeque<Mark>,
    /// Whether a file that appears now is new, so that all of it counts.
    from_beginning: bool,
    /// The log had no whole line when what is beside it was last looked through: it may be filled,
    /// copied and emptied without a trace of its own.
    was_empty: bool,
    /// When the path was last looked at.
    looked: Instant,
    /// When the file that is followed was last at the path, else when following began.
    there: Time,
    missing_since: Option<Instant>,
    linger: Duration,
    /// What was found out before the first poll.
    pending: Progress,
}

impl Follower {
    /// Follows the file at `path` in `root`.
    ///
    /// What is wrong with it is told by the first poll.
    #[must_use]
    pub fn new(root: Arc<Root>, path: PathBuf, start: Start) -> Self {
        let mut follower = Self {
            root,
            path,
            current: None,
            rotated: VecDeque::new(),
            finished: VecDeque::new(),
            from_beginning: start != Start::End,
            was_empty: false,
            looked: Instant::now(),
            there: Time::now(),
            missing_since: None,
            linger: LINGER,
            pending: Progress::default(),
        };
        match start {
            Start::Resume(position) => follower.resume(position),
            Start::End | Start::Beginning => {
                follower.finished = siblings::present(&follower.root, &follower.path).into();
                let _ = follower.open();
                let current = follower.current.as_ref();
                follower.was_empty = current.is_some_and(|tail| tail.head().is_empty());
            }
        }
        follower
    }

    /// The path of the log, in its root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode of the file that is followed: two paths may lead to one file.
    #[must_use]
    pub fn identity(&self) -> Option<(u64, u64)> {
        self.current.as_ref().map(Tail::identity)
    }

    /// How far the log was read, for [`Start::Resume`]; `None` while there is nothing to go on from.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        if self.current.is_none() && !self.from_beginning {
            return None;
        }
        let open = self.rotated.iter().map(Tail::mark);
        let mut earlier: Vec<Mark> = self.finished.iter().copied().chain(open).collect();
        earlier.drain(..earlier.len().saturating_sub(MAX_EARLIER));
        Some(Position {
            current: self.current.as_ref().map(Tail::mark),
            earlier,
            time: self.there.0 / 1_000_000,
        })
    }

    /// The open file, for a watch on it.
    pub(super) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.current.as_ref().map(Tail::as_fd)
    }

    /// Opens the file if it has appeared by now, and reads nothing of it. What keeps it from being
    /// opened is told by the next poll.
    pub(super) fn look(&mut self) {
        if self.current.is_none() {
            let mut progress = std::mem::take(&mut self.pending);
            let _ = self.find(&mut progress);
            self.pending = progress;
        }
    }

    /// Device and inode of the file that is at the path now, open or not.
    pub(super) fn at_path(&self) -> Option<(u64, u64)> {
        let stat = self.root.stat(&self.path).ok()?;
        Some(identity_of(&stat))
    }

    /// Whether something happened to the file since it was last read to its end.
    pub(super) fn has_changed(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|tail| !tail.unchanged().is_ok_and(|unchanged| unchanged))
    }

    /// Whether more than the one file at the path matters, so that a watch on it does not do.
    pub(super) fn is_moving(&self) -> bool {
        let missing = |since: Instant| since.elapsed() <= self.linger;
        !self.rotated.is_empty() || self.missing_since.is_some_and(missing)
    }

    /// Whether nothing is at the path.
    pub(super) fn is_missing(&self) -> bool {
        self.current.is_none() || self.missing_since.is_some()
    }

    /// Reads what was written since the last poll, at most 8 MiB of each file, and gives `sink`
    /// every whole line, without its line feed.
    ///
    /// # Errors
    /// Nothing could be read; polling goes on making sense. Lines may have been given before a
    /// [`FollowError::Read`].
    pub fn poll(
        &mut self,
        buffer: &mut Buffer,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, FollowError> {
        let mut progress = std::mem::take(&mut self.pending);
        match self.read(buffer, sink, &mut progress) {
            Ok(()) => Ok(progress),
            Err(error) => {
                // What was read all the same is told the next time.
                self.pending = progress;
                Err(error)
            }
        }
    }

    fn read(
        &mut self,
        buffer: &mut Buffer,
        sink: &mut dyn FnMut(&[u8]),
        progress: &mut Progress,
    ) -> Result<(), FollowError> {
        // Twice, so that what is found on the way is read at once.
        for _ in 0..2 {
            progress.more = false;
            self.read_rotated(buffer, sink, progress)?;
            // Earlier files are read to their ends before later ones.
            if progress.more || !self.read_current(buffer, sink, progress)? {
                break;
            }
            progress.more = true;
        }
        Ok(())
    }

    /// Whether other files are to be read now.
    fn read_current(
        &mut self,
        buffer: &mut Buffer,
        sink: &mut dyn FnMut(&[u8]),
        progress: &mut Progress,
    ) -> Result<bool, FollowError> {
        let Some(current) = &mut self.current else {
            self.find(progress)?;
            return Ok(true);
        };
        let unchanged = match current.unchanged() {
            Ok(unchanged) => unchanged,
            Err(error) => return Err(self.lose(error)),
        };
        if unchanged && self.looked.elapsed() < LOOK_EVERY {
            return Ok(false);
        }
        self.looked = Instant::now();
        let since = seconds(self.there);
        if !unchanged && self.was_empty {
            let found = self.search(since);
            if self.take_up(found, progress) {
                return Ok(true);
            }
        }
        // The path is looked at first: what is written before a rename is then read below.
        let at_path = self.root.stat(&self.path);
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        match current.read(buffer, sink, &mut progress.read) {
            Ok(Read::More) => progress.more = true,
            Ok(Read::End) => {}
            Ok(Read::Truncated) => {
                let (mark, head) = (current.mark(), current.head().to_vec());
                let begun = current.restart(&mut progress.read);
                let found = self.search_with(Some(mark), &head, since, i64::MAX);
                if !found.wanted {
                    progress.gaps += 1;
                    progress.read.torn += u64::from(begun);
                }
                self.take_up(found, progress);
                self.remember(mark);
                return Ok(true);
            }
            Err(error) => return Err(self.lose(error)),
        }
        match at_path {
            Ok(stat) if identity_of(&stat) == current.identity() => {
                self.missing_since = None;
                self.there = Time::now();
            }
            Ok(_) => return Ok(self.rotate(since, progress)),
            Err(problem) => {
                if problem.is_missing() {
                    self.missing_since.get_or_insert_with(Instant::now);
                    if current.is_deserted(self.linger) {
                        // Else the agent would keep a deleted file's space taken for good.
                        current.give_up(&mut progress.read);
                        self.current = None;
                        self.from_beginning = true;
                    }
                }
                progress.path_problem = Some(problem);
            }
        }
        Ok(false)
    }

    /// Moves on to the file that has taken the path.
    fn rotate(&mut self, since: i64, progress: &mut Progress) -> bool {
        let new = match Tail::open(&self.root, &self.path) {
            Ok(new) => self.take_back(new).0,
            Err(problem) => {
                progress.path_problem = Some(problem);
                return false;
            }
        };
        progress.rotations += 1;
        self.missing_since = None;
        self.there = Time::now();
        if let Some(mut old) = self.current.replace(new) {
            old.wait_again();
            self.rotated.push_back(old);
        }
        let found = self.search(since);
        self.take_up(found, progress);
        true
    }

    fn read_rotated(
        &mut self,
        buffer: &mut Buffer,
        sink: &mut dyn FnMut(&[u8]),
        progress: &mut Progress,
    ) -> Result<(), FollowError> {
        let new_is_used = self.current.as_ref().is_none_or(|new| !new.is_untouched());
        let linger = if new_is_used {
            self.linger
        } else {
            self.linger.max(LONG_LINGER)
        };
        for _ in 0..self.rotated.len() {
            let Some(mut tail) = self.rotated.pop_front() else {
                break;
            };
            if self.is_copy_being_made(&tail) {
                // When the log is truncated, it is found again.
                continue;
            }
            let read = if progress.more {
                Ok(Read::More)
            } else {
                tail.read(buffer, sink, &mut progress.read)
            };
            match read {
                Ok(Read::End) if tail.idle_for() > linger => {
                    self.finish(tail, &mut progress.read);
                    continue;
                }
                Ok(Read::End) => {}
                Ok(Read::More) => progress.more = true,
                Ok(Read::Truncated) => {
                    // Emptied, or shredded as logrotate can: what it holds now is no log.
                    progress.gaps += 1;
                    self.finish(tail, &mut progress.read);
                    continue;
                }
                Err(source) => {
                    self.finish(tail, &mut progress.read);
                    return Err(FollowError::read(&self.path, source));
                }
            }
            self.rotated.push_back(tail);
        }
        Ok(())
    }

    /// Lets go of a file that cannot be read. It is opened again at its end, by the next poll.
    fn lose(&mut self, source: io::Error) -> FollowError {
        self.current = None;
        self.from_beginning = false;
        FollowError::read(&self.path, source)
    }

    /// Opens the file that has appeared at the path, and what became of the one before.
    fn find(&mut self, progress: &mut Progress) -> Result<(), OpenError> {
        let since = seconds(self.there);
        self.open()?;
        let found = self.search(since);
        self.take_up(found, progress);
        Ok(())
    }

    fn open(&mut self) -> Result<(), OpenError> {
        match Tail::open(&self.root, &self.path) {
            Ok(tail) => {
                let (mut tail, was_here) = self.take_back(tail);
                if !self.from_beginning && !was_here {
                    tail.go_to(u64::MAX);
                }
                self.current = Some(tail);
                self.missing_since = None;
                self.looked = Instant::now();
                Ok(())
            }
            Err(problem) => {
                self.from_beginning |= problem.is_missing();
                Err(problem)
            }
        }
    }
}

fn seconds(time: Time) -> i64 {
    i64::try_from(time.0 / 1_000_000).unwrap_or(i64::MAX)
}

mod earlier;

#[cfg(test)]
mod tests;

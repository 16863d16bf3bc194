//! Follows a log file from its end, through rotation.
//!
//! Polled, not watched: an idle poll is one `fstat`, and a rename or truncation is noticed the
//! same way on every file system, in a container or not.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::tail::{Tail, Tally, identity_of};
use crate::rooted::{OpenError, Root};

/// Idle polls between two looks at the path, for file systems on which a rename does not change
/// the file's change time.
const LOOK_EVERY: u32 = 10;

/// How long a file that was rotated away is read after its last line. nginx goes on writing to it
/// until every worker has seen the `USR1`.
const LINGER: Duration = Duration::from_secs(10);

/// Rotated files that are read at the same time.
const MAX_ROTATED: usize = 4;

/// Follows one log file.
#[derive(Debug)]
pub struct Follower {
    root: Arc<Root>,
    path: PathBuf,
    current: Option<Tail>,
    /// Earlier files of that name, oldest first.
    rotated: VecDeque<Tail>,
    /// Whether a file that appears now is new, so that all of it counts.
    from_beginning: bool,
    idle_polls: u32,
    linger: Duration,
}

/// What one [`Follower::poll`] did.
#[derive(Debug, Default)]
pub struct Progress {
    /// What was read.
    pub read: Tally,
    /// New files that took the path since the last poll.
    pub rotations: u64,
    /// There is more to read now; poll again without waiting.
    pub more: bool,
    /// Why the file that is now at the path cannot be read, while an earlier one still is.
    /// [`OpenError::Missing`] is what a rotation looks like before nginx reopens its logs.
    pub path_problem: Option<OpenError>,
}

/// Why nothing could be read. The next poll tries again.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// There is no file that could be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file is open but cannot be read.
    #[error("{} could not be read: {source}", .path.display())]
    Read {
        /// The path of the log.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Follower {
    /// Begins at the present end of the file at `path` in `root`.
    ///
    /// A file that is not there yet is waited for and then read from its beginning.
    #[must_use]
    pub fn new(root: Arc<Root>, path: PathBuf) -> Self {
        let mut follower = Self {
            root,
            path,
            current: None,
            rotated: VecDeque::new(),
            from_beginning: false,
            idle_polls: 0,
            linger: LINGER,
        };
        // The first poll says what is wrong.
        let _ = follower.open();
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

    /// Reads what was written since the last poll, at most 8 MiB of each file, and gives `sink`
    /// every whole line, without its line feed.
    ///
    /// # Errors
    /// Nothing could be read; polling goes on making sense. Lines may have been given before a
    /// [`FollowError::Read`].
    pub fn poll(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<Progress, FollowError> {
        let mut progress = Progress::default();
        self.read_rotated(sink, &mut progress)?;
        match &self.current {
            None => self.open()?,
            Some(current) => {
                let unchanged = current.unchanged().map_err(|error| self.lose(error))?;
                if unchanged && self.idle_polls < LOOK_EVERY {
                    self.idle_polls += 1;
                    return Ok(progress);
                }
            }
        }
        self.idle_polls = 0;
        self.read_current(sink, progress)
    }

    fn read_current(
        &mut self,
        sink: &mut dyn FnMut(&[u8]),
        mut progress: Progress,
    ) -> Result<Progress, FollowError> {
        // The path is looked at first: what is written before a rename is then read below.
        let at_path = self.root.stat(&self.path);
        let Some(current) = &mut self.current else {
            return Ok(progress);
        };
        match current.read(sink, &mut progress.read) {
            Ok(more) => progress.more |= more,
            Err(error) => return Err(self.lose(error)),
        }
        match at_path {
            Ok(stat) if identity_of(&stat) == current.identity() => {}
            // The old file is read to its end before the new one.
            Ok(_) if progress.more => {}
            Ok(_) => return self.rotate(sink, progress),
            Err(problem) => {
                if problem.is_missing() && current.is_deserted(self.linger) {
                    // Else the agent would keep a deleted file's space taken for good.
                    current.give_up(&mut progress.read);
                    self.current = None;
                    self.from_beginning = true;
                }
                progress.path_problem = Some(problem);
            }
        }
        Ok(progress)
    }

    /// Moves on to the file that has taken the path.
    fn rotate(
        &mut self,
        sink: &mut dyn FnMut(&[u8]),
        mut progress: Progress,
    ) -> Result<Progress, FollowError> {
        let mut new = match Tail::open(&self.root, &self.path, false) {
            Ok(new) => new,
            Err(problem) => {
                progress.path_problem = Some(problem);
                return Ok(progress);
            }
        };
        progress.rotations += 1;
        let read = new.read(sink, &mut progress.read);
        if let Some(mut old) = self.current.replace(new) {
            old.wait_again();
            self.rotated.push_back(old);
        }
        if self.rotated.len() > MAX_ROTATED
            && let Some(mut oldest) = self.rotated.pop_front()
        {
            oldest.give_up(&mut progress.read);
        }
        progress.more |= read.map_err(|error| self.lose(error))?;
        Ok(progress)
    }

    fn read_rotated(
        &mut self,
        sink: &mut dyn FnMut(&[u8]),
        progress: &mut Progress,
    ) -> Result<(), FollowError> {
        let mut failed = None;
        self.rotated.retain_mut(|tail| {
            let readable = match tail.read(sink, &mut progress.read) {
                Ok(more) => {
                    progress.more |= more;
                    true
                }
                Err(error) => {
                    failed = Some(error);
                    false
                }
            };
            let keep = readable && tail.idle_for() <= self.linger;
            if !keep {
                tail.give_up(&mut progress.read);
            }
            keep
        });
        failed.map_or(Ok(()), |source| Err(read_error(&self.path, source)))
    }

    /// Lets go of a file that cannot be read. It is opened again at its end, by the next poll.
    fn lose(&mut self, source: io::Error) -> FollowError {
        self.current = None;
        self.from_beginning = false;
        read_error(&self.path, source)
    }

    fn open(&mut self) -> Result<(), OpenError> {
        match Tail::open(&self.root, &self.path, !self.from_beginning) {
            Ok(tail) => {
                self.current = Some(tail);
                self.idle_polls = 0;
                Ok(())
            }
            Err(problem) => {
                self.from_beginning |= problem.is_missing();
                Err(problem)
            }
        }
    }
}

fn read_error(path: &Path, source: io::Error) -> FollowError {
    FollowError::Read {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;

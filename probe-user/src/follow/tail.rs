//! The unread part of one open log file.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Stat, fstat};

use super::mark::{HEAD, Head, Mark};
use crate::rooted::{OpenError, Root};

/// The longest line that is given, in bytes. nginx limits a request line to 8 KB by default.
pub const MAX_LINE: usize = 64 * 1024;

/// The most that one call reads, in bytes, so that a poll takes milliseconds.
pub(super) const MAX_READ: u64 = 8 * 1024 * 1024;

/// An unread part beyond this many bytes is not worth reading: failures are told as they happen.
/// It also keeps a sparse file of a terabyte from being read.
pub(super) const MAX_BACKLOG: u64 = 256 * 1024 * 1024;

/// Bytes before the position that are read again and compared, which costs no call of its own:
/// mostly a whole line with its time.
const BEFORE: usize = 256;

/// Room for the longest line, its line feed, and as much again.
const BUFFER: usize = 2 * MAX_LINE + BEFORE;

/// What files are read into. One serves any number of followers.
#[derive(Debug)]
pub struct Buffer(Box<[u8]>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; BUFFER].into_boxed_slice())
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines given to the sink.
    pub lines: u64,
    /// Bytes of whole lines that were read, given or not.
    pub bytes: u64,
    /// Lines longer than [`MAX_LINE`], skipped.
    pub overlong: u64,
    /// Beginnings of lines whose end never came.
    pub torn: u64,
    /// Times that the file was found truncated and was read from its beginning again.
    pub truncations: u64,
    /// Bytes skipped because too much was unread.
    pub skipped_bytes: u64,
}

/// How a [`Tail::read`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// At the end of the file.
    End,
    /// At the most that is read at once.
    More,
    /// The file does not go on from where it was read to: it was truncated. Nothing is read until
    /// [`Tail::restart`].
    Truncated,
}

#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    identity: (u64, u64),
    /// Where the first line begins that was not given yet.
    position: u64,
    /// Bytes of a line, after the position, that has no end yet.
    begun: u64,
    /// What comes before the next line feed is not wanted.
    skipping: bool,
    /// The file's first bytes, whole lines while there are fewer than [`HEAD`].
    head: Vec<u8>,
    /// The bytes before the position.
    before: Vec<u8>,
    seen: Option<Seen>,
    grown_at: Instant,
    deletion_noticed: bool,
}

/// What changes when a file is written, renamed, truncated or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    size: u64,
    changed: (i64, u64),
    links: u64,
}

impl Tail {
    /// Opens the file at `path`, to be read from its beginning.
    pub(super) fn open(root: &Root, path: &Path) -> Result<Self, OpenError> {
        let (file, stat) = root.open_regular(path)?;
        let mut tail = Self {
            file,
            identity: identity_of(&stat),
            position: 0,
            begun: 0,
            skipping: false,
            head: Vec::new(),
            before: Vec::new(),
            seen: None,
            grown_at: Instant::now(),
            deletion_noticed: false,
        };
        // A failure shows again when the file is read.
        let _ = tail.look_at_head();
        Ok(tail)
    }

    /// Goes to `offset`, or to the end of the file when that is earlier.
    pub(super) fn go_to(&mut self, offset: u64) {
        self.position = offset.min(self.size());
        self.begun = 0;
        let length = BEFORE.min(usize::try_from(self.position).unwrap_or(BEFORE));
        let mut before = vec![0; length];
        // A failure shows again when the file is read.
        let read = self
            .file
            .read_exact_at(&mut before, self.position - length as u64);
        self.skipping = read.is_ok() && before.last().is_some_and(|&last| last != b'\n');
        self.before = if read.is_ok() { before } else { Vec::new() };
    }

    /// How many bytes the file has now.
    pub(super) fn size(&self) -> u64 {
        fstat(&self.file).map_or(0, |stat| size_of(&stat))
    }

    /// Bytes that are not read yet.
    pub(super) fn unread(&self) -> u64 {
        self.size().saturating_sub(self.position)
    }

    /// Whether nothing was ever read of it.
    pub(super) fn is_untouched(&self) -> bool {
        self.position == 0 && self.begun == 0
    }

    /// Device and inode.
    pub(super) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// The open file, for a watch on it.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The file's first bytes, at most [`HEAD`], as they were when it was last looked at.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The same as they are now. What is judged by them is judged anew once the file no longer begins
    /// so: a later [`Tail::read`] finds it truncated.
    pub(super) fn note_head(&mut self) -> Vec<u8> {
        // A failure shows again when the file is read.
        let _ = self.look_at_head();
        self.head.clone()
    }

    /// The same without a note, of a file that had no whole line then as it begins now.
    pub(super) fn head_by_now(&self) -> Vec<u8> {
        if self.head.is_empty() {
            // A failure shows again when the file is read.
            self.beginning().unwrap_or_default()
        } else {
            self.head.clone()
        }
    }

    /// How far it was read.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            device: self.identity.0,
            inode: self.identity.1,
            offset: self.position,
            head: Head::of(&self.head),
        }
    }

    /// Whether nothing happened to the file since it was last read to its end.
    pub(super) fn unchanged(&self) -> io::Result<bool> {
        Ok(self.seen == Some(Seen::of(&fstat(&self.file)?)))
    }

    /// Gives `sink` every whole line that is there.
    pub(super) fn read(
        &mut self,
        buffer: &mut Buffer,
        sink: &mut dyn FnMut(&[u8]),
        tally: &mut Tally,
    ) -> io::Result<Read> {
        let seen = Seen::of(&fstat(&self.file)?);
        self.seen = None;
        if seen.size < self.position + self.begun || !self.look_at_head()? {
            return Ok(Read::Truncated);
        }
        let unread = seen.size - self.position;
        if unread > MAX_BACKLOG {
            self.give_up(tally);
            tally.skipped_bytes += unread - MAX_READ;
            self.go_to(seen.size - MAX_READ);
            self.skipping = true;
        }
        let end = seen.size.min(self.position + MAX_READ);
        while self.position + self.begun < end {
            if !self.read_chunk(end, buffer, sink, tally)? {
                return Ok(Read::Truncated);
            }
            self.grown_at = Instant::now();
        }
        if end < seen.size {
            return Ok(Read::More);
        }
        self.seen = Some(seen);
        Ok(Read::End)
    }

    /// Reads once, at most to `end`; `false` when the file is not what it was.
    fn read_chunk(
        &mut self,
        end: u64,
        buffer: &mut Buffer,
        sink: &mut dyn FnMut(&[u8]),
        tally: &mut Tally,
    ) -> io::Result<bool> {
        let from = self.position - self.before.len() as u64;
        let wanted = BUFFER.min(usize::try_from(end - from).unwrap_or(BUFFER));
        let wanted = buffer.0.get_mut(..wanted).unwrap_or_default();
        let length = loop {
            match self.file.read_at(wanted, from) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let chunk = wanted.get(..length).unwrap_or_default();
        let Some(new) = chunk.strip_prefix(self.before.as_slice()) else {
            return Ok(false);
        };
        if (new.len() as u64) <= self.begun {
            // Less than the file had a moment ago.
            return Ok(false);
        }
        let used = self.take(new, sink, tally);
        self.begun = (new.len() - used) as u64;
        self.position += used as u64;
        tally.bytes += used as u64;
        let used = chunk.get(..self.before.len() + used).unwrap_or_default();
        let kept = used.len().saturating_sub(BEFORE);
        self.before = used.get(kept..).unwrap_or_default().to_vec();
        Ok(true)
    }

    /// Gives the whole lines of `new`, and how many bytes of it are done with.
    fn take(&mut self, new: &[u8], sink: &mut dyn FnMut(&[u8]), tally: &mut Tally) -> usize {
        let mut rest = new;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if line.len() > MAX_LINE {
                tally.overlong += 1;
                continue;
            }
            tally.lines += 1;
            sink(line);
        }
        if !self.skipping && rest.len() > MAX_LINE {
            tally.overlong += 1;
            self.skipping = true;
        }
        if self.skipping {
            new.len()
        } else {
            new.len() - rest.len()
        }
    }

    /// Reads from the beginning from now on, after a truncation. Whether a line was begun, whose
    /// end a copy may have.
    pub(super) fn restart(&mut self, tally: &mut Tally) -> bool {
        let begun = std::mem::take(&mut self.begun) > 0;
        tally.truncations += 1;
        (self.position, self.skipping, self.seen) = (0, false, None);
        self.before.clear();
        self.head.clear();
        // A failure shows again when the file is read.
        let _ = self.look_at_head();
        begun
    }

    /// Counts a line whose end will not come.
    pub(super) fn give_up(&mut self, tally: &mut Tally) {
        if std::mem::take(&mut self.begun) > 0 {
            tally.torn += 1;
        }
    }

    /// How long ago something was read, or [`Tail::wait_again`] was called.
    pub(super) fn idle_for(&self) -> Duration {
        self.grown_at.elapsed()
    }

    /// Begins counting [`Tail::idle_for`] anew.
    pub(super) fn wait_again(&mut self) {
        self.grown_at = Instant::now();
    }

    /// Whether the file has no name any more, and nothing was written to it for `linger` since
    /// that was first noticed.
    pub(super) fn is_deserted(&mut self, linger: Duration) -> bool {
        if self.seen.is_none_or(|seen| seen.links > 0) {
            return false;
        }
        if !std::mem::replace(&mut self.deletion_noticed, true) {
            self.wait_again();
        }
        self.idle_for() > linger
    }

    /// Whether the file begins as it did; more of its beginning is noted once there is more.
    fn look_at_head(&mut self) -> io::Result<bool> {
        let start = self.beginning()?;
        if !start.starts_with(&self.head) {
            return Ok(false);
        }
        if start.len() > self.head.len() {
            self.head = start;
        }
        Ok(true)
    }

    /// The first bytes as they are now, at most [`HEAD`].
    fn beginning(&self) -> io::Result<Vec<u8>> {
        let mut start = vec![0; HEAD];
        let length = self.file.read_at(&mut start, 0)?;
        start.truncate(length);
        if length < HEAD {
            // The beginning of a first line is like that of many others.
            start.truncate(memchr::memrchr(b'\n', &start).map_or(0, |end| end + 1));
        }
        Ok(start)
    }
}

impl Seen {
    #[allow(
        clippy::useless_conversion,
        reason = "the width of `st_nlink` differs between architectures"
    )]
    fn of(stat: &Stat) -> Self {
        Self {
            size: size_of(stat),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            links: u64::from(stat.st_nlink),
        }
    }
}

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Device and inode of what `stat` is of.
pub(super) fn identity_of(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests;

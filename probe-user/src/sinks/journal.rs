//! The journal: JSON lines in a file, which is rotated by its size.
//!
//! A record is one write of a whole line to the file's end. Whatever cuts one short, a kill or a
//! full disk, the next record begins on a line of its own, and readers pass over what is no record.
//! Nothing is flushed to the disk: a power cut may cost the last seconds, an agent's end nothing.

mod lock;
pub mod names;
mod rotate;

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use prometheus_client::metrics::counter::Counter;

pub use self::lock::{Writer, writer};
use self::{lock::Lock, rotate::rotate};
use super::lines::{Lines, Outcome};
use crate::records::Record;

/// How much of a journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The file is rotated before it would be larger, in bytes.
    pub size: u64,
    /// Rotated files that are kept, at most [`names::MOST_KEPT`].
    pub keep: u8,
}

/// A journal open for appending.
pub struct Journal {
    path: PathBuf,
    limits: Limits,
    /// None until the disk takes the file.
    lock: Option<Lock>,
    lines: Lines<Target>,
    lost: Counter,
    /// A rotation failed, which was said.
    stuck: bool,
}

impl Journal {
    /// Opens the journal, making it and its folder when they are missing. Only the owner and the
    /// group may read it: it names clients. Records that it cannot take are counted in `lost`.
    ///
    /// A full disk is no error: the journal begins when there is room.
    ///
    /// # Errors
    /// When it cannot be made, read or written, is anything but a regular file, or another agent
    /// writes it.
    pub fn open(path: &Path, limits: Limits, lost: Counter) -> io::Result<Self> {
        let mut journal = Self {
            path: path.to_owned(),
            limits,
            lock: None,
            lines: Lines::new(Target::default(), false),
            lost,
            stuck: false,
        };
        match journal.begin() {
            Err(error) if is_full(&error) => {
                journal.lines.trouble(error).warn(journal.name());
            }
            result => result?,
        }
        Ok(journal)
    }

    fn begin(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        self.find().map(drop)?;
        // So that readers need not wait for the next record to know that this one is all there is.
        if let Err(error) = self.lines.end() {
            log::debug!("{}: cannot end its last line: {error}", self.name());
        }
        Ok(())
    }

    /// Appends a record, on a line of its own. A disk that does not take records is named in the
    /// log once, and once more when it does again.
    pub fn append(&mut self, record: &Record) {
        let line = match record.to_json_line() {
            Ok(line) => line,
            Err(error) => {
                log::error!("a record cannot be written as JSON: {error}");
                self.lost.inc();
                return;
            }
        };
        let outcome = match self.make_room(line.len()) {
            Ok(()) => self.lines.write(&line),
            Err(error) => self.lines.fail(error),
        };
        outcome.warn(self.name());
        if matches!(outcome, Outcome::Fails(_) | Outcome::StillFails(_)) {
            self.lost.inc();
        }
    }

    /// The file is open, and a line of `length` bytes finds room in it.
    fn make_room(&mut self, length: usize) -> io::Result<()> {
        let size = self.find()?;
        // A newline may have to come first.
        let length = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(1);
        if size == 0 || size.saturating_add(length) <= self.limits.size {
            return Ok(());
        }
        let rotated = rotate(&self.path, self.limits.keep);
        match &rotated {
            Ok(()) => self.stuck = false,
            // Better a journal that is too large than one that has not all.
            Err(error) if !self.stuck => {
                self.stuck = true;
                log::warn!(
                    "cannot rotate the journal {}: {error}; it grows beyond {} bytes until that \
                     is mended",
                    self.path.display(),
                    self.limits.size
                );
            }
            Err(_) => {}
        }
        self.find().map(drop)
    }

    /// Sees to it that the file of that name is the one that is open, whoever moved it away, and
    /// gives its size in bytes.
    fn find(&mut self) -> io::Result<u64> {
        let size = match self.path.symlink_metadata() {
            Ok(found) if self.lines.out().is(&found) => found.len(),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.reopen()?,
        };
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&self.path)?);
        }
        Ok(size)
    }

    fn reopen(&mut self) -> io::Result<u64> {
        // Opened for reading too, so that a FIFO opens without a writer and is refused.
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = names::open_regular(&self.path, &mut options)?;
        let metadata = file.metadata()?;
        let torn = is_torn(&file, &metadata)?;
        let target = Target(Some((file, identity(&metadata))));
        self.lines.renew(target, torn);
        Ok(metadata.len())
    }

    fn name(&self) -> String {
        format!("the journal {}", self.path.display())
    }
}

/// The file that is open, and which it is.
#[derive(Debug, Default)]
struct Target(Option<(File, (u64, u64))>);

impl Target {
    fn is(&self, found: &Metadata) -> bool {
        self.0
            .as_ref()
            .is_some_and(|(_, mine)| *mine == identity(found))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some((file, _)) => file.write(bytes),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether the last line has no end.
fn is_torn(file: &File, metadata: &Metadata) -> io::Result<bool> {
    let Some(last) = metadata.len().checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

/// Whether the disk, or the user's part of it, is full.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests;

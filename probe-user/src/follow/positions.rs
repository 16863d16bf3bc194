//! How far each log was read, kept in a small file, so that a restart neither repeats nor skips.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::mark::{MAX_EARLIER, Position};
use crate::clock::Time;
use crate::rooted::Root;

/// The name of the file in its folder.
const NAME: &str = "positions.json";

/// What this release writes, and all that it reads.
const VERSION: u32 = 1;

/// The file is refused beyond this size, in bytes: it holds at most some 2 KiB for each log.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Logs that are remembered; of more, those seen last.
const MAX_LOGS: usize = 4096;

/// Logs not seen for this long are forgotten.
const KEEP: Duration = Duration::from_hours(30 * 24);

/// Between two times that the file is written because a position changed.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// The same when none did: logs that are idle are to be known as still there.
const REFRESH_EVERY: Duration = Duration::from_hours(1);

/// The positions of all logs of this agent.
///
/// ```no_run
/// # use nginx_probe::follow::{Follower, Positions, Start};
/// # use std::path::Path;
/// # fn follow(follower: &Follower) -> Result<(), Box<dyn std::error::Error>> {
/// let (mut positions, problem) = Positions::open(Path::new("/var/lib/nginx-probe"));
/// if let Some(problem) = problem {
///     log::warn!("{problem}");
/// }
/// let log = Path::new("/var/log/nginx/access.log");
/// let start = positions.get("nginx", "access", log).map_or(Start::End, |at| Start::Resume(at.clone()));
/// // After each poll:
/// if let Some(position) = follower.position() {
///     positions.set("nginx", "access", log, position);
/// }
/// positions.save_if_due()?;
/// // At the end:
/// positions.save()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Positions {
    /// None to keep them in memory alone.
    folder: Option<PathBuf>,
    /// The folder, locked against other agents as long as it is open.
    lock: Option<File>,
    /// Another agent had it locked.
    refused: bool,
    logs: BTreeMap<Key, Position>,
    changed: bool,
    written: Instant,
}

/// Instance, kind and path of a log.
type Key = (String, String, PathBuf);

/// Why positions could not be read or written. The agent works without.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    /// The file cannot be made out.
    #[error(
        "the positions of logs in {} are ignored: {why}; logs are read from their ends",
        .path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another agent keeps its own there.
    #[error(
        "{} is another agent's: how far logs are read is not kept until that one ends; give each \
         agent a folder of its own with --state",
        .path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error(
        "the positions of logs cannot be written to {}: {source}; a restart will skip what is \
         logged meanwhile. Is the folder there, writable, and not full?",
        .path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    logs: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    instance: String,
    /// Empty for either, as before logs were told apart by their kinds.
    #[serde(default)]
    kind: String,
    path: PathBuf,
    #[serde(flatten)]
    position: Position,
}

impl Positions {
    /// Reads the positions in `folder`; none when there is no file yet, or a torn one, which is
    /// said. So it is when another agent has the folder: positions are kept when that one has ended.
    #[must_use]
    pub fn open(folder: &Path) -> (Self, Option<PositionsError>) {
        let mut positions = Self {
            folder: Some(folder.to_owned()),
            ..Self::in_memory()
        };
        let locked = positions.lock().err();
        match load(folder) {
            Ok(logs) => {
                positions.logs = logs;
                positions.forget();
                (positions, locked)
            }
            Err(why) => {
                let path = folder.join(NAME);
                (positions, Some(PositionsError::Unusable { path, why }))
            }
        }
    }

    /// None yet, and never to be written.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            folder: None,
            lock: None,
            refused: false,
            logs: BTreeMap::new(),
            changed: false,
            written: Instant::now(),
        }
    }

    /// How far the present file with this device and inode was read as a log of this kind, under
    /// whatever name.
    #[must_use]
    pub fn of_file(&self, kind: &str, device: u64, inode: u64) -> Option<&Position> {
        let logs = self.logs.iter();
        logs.filter(|((_, of, _), _)| of == kind || of.is_empty())
            .map(|(_, position)| position)
            .filter(|position| {
                let mark = position.current.as_ref();
                mark.is_some_and(|mark| (mark.device, mark.inode) == (device, inode))
            })
            .max_by_key(|at| at.time)
    }

    /// How far the log of `instance` and `kind` (any words that stay the same) at `path` was read.
    #[must_use]
    pub fn get(&self, instance: &str, kind: &str, path: &Path) -> Option<&Position> {
        let of = |kind| self.logs.get(&key(instance, kind, path));
        of(kind).or_else(|| of(""))
    }

    /// Notes how far a log was read. A path that is not UTF-8 is not remembered.
    pub fn set(&mut self, instance: &str, kind: &str, path: &Path, position: Position) {
        if path.to_str().is_none() {
            return;
        }
        let key = key(instance, kind, path);
        let old = self.logs.get(&key);
        self.changed |= old
            .is_none_or(|old| (old.current, &old.earlier) != (position.current, &position.earlier));
        self.logs.insert(key, position);
    }

    /// Writes the file when something changed and it was not written for a second; whether it did.
    ///
    /// # Errors
    /// The file cannot be written, or another agent has the folder; it is tried again a second
    /// later.
    pub fn save_if_due(&mut self) -> Result<bool, PositionsError> {
        let every = if self.changed || self.refused {
            WRITE_EVERY
        } else {
            REFRESH_EVERY
        };
        if self.written.elapsed() < every {
            return Ok(false);
        }
        self.write(false).map(|()| true)
    }

    /// Writes the file and waits until it is on the disk: at the end.
    ///
    /// # Errors
    /// The file cannot be written, or another agent has the folder.
    pub fn save(&mut self) -> Result<(), PositionsError> {
        self.write(true)
    }

    fn write(&mut self, durable: bool) -> Result<(), PositionsError> {
        self.written = Instant::now();
        self.lock()?;
        self.forget();
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let logs = self
            .logs
            .iter()
            .map(|((instance, kind, path), position)| Entry {
                instance: instance.clone(),
                kind: kind.clone(),
                path: path.clone(),
                position: position.clone(),
            });
        let stored = Stored {
            version: VERSION,
            logs: logs.collect(),
        };
        replace(folder, &stored, durable).map_err(|source| PositionsError::Unwritable {
            path: folder.join(NAME),
            source,
        })?;
        self.changed = false;
        Ok(())
    }

    /// Sees to it that no other agent writes the same file. What a file system without locks or a
    /// missing folder says is passed over: writing tells what matters.
    fn lock(&mut self) -> Result<(), PositionsError> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.lock.is_none()) else {
            return Ok(());
        };
        let Ok(file) = File::open(folder) else {
            return Ok(());
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                self.refused = true;
                let path = folder.clone();
                return Err(PositionsError::Locked { path });
            }
            Err(TryLockError::Error(_)) => {}
            Ok(()) => self.lock = Some(file),
        }
        if std::mem::take(&mut self.refused) {
            // What the other one knew and this one did not see.
            for (key, position) in load(folder).unwrap_or_default() {
                self.logs.entry(key).or_insert(position);
            }
        }
        Ok(())
    }

    /// Drops what is old, and the oldest of what is too much.
    fn forget(&mut self) {
        let now = Time::now().0 / 1_000_000;
        let oldest = now.saturating_sub(KEEP.as_secs());
        self.logs.retain(|_, position| position.time >= oldest);
        if self.logs.len() > MAX_LOGS {
            let mut times: Vec<u64> = self.logs.values().map(|position| position.time).collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            let limit = times.get(MAX_LOGS - 1).copied().unwrap_or(0);
            let mut room = MAX_LOGS;
            self.logs.retain(|_, position| {
                let keep = position.time >= limit && room > 0;
                room -= usize::from(keep);
                keep
            });
        }
    }
}

fn key(instance: &str, kind: &str, path: &Path) -> Key {
    (instance.to_owned(), kind.to_owned(), path.to_owned())
}

fn load(folder: &Path) -> Result<BTreeMap<Key, Position>, String> {
    let path = Path::new("/").join(NAME);
    let root = match Root::at(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other.map_err(|error| error.to_string())?,
    };
    let (file, _) = match root.open_regular(&path) {
        Err(error) if error.is_missing() => return Ok(BTreeMap::new()),
        other => other.map_err(|error| error.to_string())?,
    };
    let text = BufReader::new(file).take(MAX_BYTES);
    let stored: Stored = serde_json::from_reader(text).map_err(|error| error.to_string())?;
    if stored.version != VERSION {
        return Err(format!("it is of version {}", stored.version));
    }
    let logs = stored.logs.into_iter().map(|mut entry| {
        entry.position.earlier.truncate(MAX_EARLIER);
        ((entry.instance, entry.kind, entry.path), entry.position)
    });
    Ok(logs.collect())
}

/// Puts a new file in the place of the old: a reader sees one or the other.
fn replace(folder: &Path, stored: &Stored, durable: bool) -> io::Result<()> {
    let new = folder.join(format!("{NAME}.new"));
    // A link or another user's file may lie there: never write through it.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&serde_json::to_vec(stored)?)?;
    if durable {
        file.sync_data()?;
    }
    fs::rename(&new, folder.join(NAME))
}

#[cfg(test)]
mod tests;

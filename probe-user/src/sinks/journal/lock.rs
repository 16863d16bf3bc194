//! One agent writes a journal: it holds a lock on a file beside it as long as it lives.
//!
//! The lock is an open file description's own (`F_OFD_SETLK`, Linux 3.15): the kernel gives it back
//! however the agent ends, and who only wants to know whether it is held need not take it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
    process,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
};

use super::names;
use crate::clock::Time;

/// More than a process id is not read from the file.
const MAX_PID: u64 = 16;

/// A lock that is held. Dropping it, or the end of the process, gives it back.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Whether an agent writes a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// One does, since then.
    Since(Time),
    /// None does.
    Gone,
    /// This user may not know.
    Unknown,
}

impl Lock {
    /// Takes the lock of a journal, and leaves this process's id in its file.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another agent has it, which the text says; and when the
    /// file cannot be made.
    pub(super) fn take(journal: &Path) -> io::Result<Self> {
        let path = names::lock(journal);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = names::open_regular(&path, &mut options).map_err(|error| {
            io::Error::new(error.kind(), Beside(path.display().to_string(), error))
        })?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole(libc::F_WRLCK))) {
            Ok(_) => {}
            Err(Errno::EACCES | Errno::EAGAIN) => {
                let mut pid = String::new();
                let _ = (&file).take(MAX_PID).read_to_string(&mut pid);
                let who = pid.trim().parse::<u32>();
                let who = who.map_or_else(|_| String::new(), |pid| format!(" (process {pid})"));
                let text = format!("another agent{who} writes it");
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
            // A file system that has no locks: the journal is worth more than the certainty.
            Err(error @ (Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS)) => {
                log::warn!(
                    "cannot lock {}: {error}; see to it that no second agent writes this journal",
                    path.display()
                );
            }
            Err(error) => return Err(error.into()),
        }
        // Who holds it is for a message alone, so a full disk does not matter. That the file is
        // changed does: its time says since when it is held.
        let told = file
            .set_len(0)
            .and_then(|()| file.write_all(format!("{}\n", process::id()).as_bytes()));
        if let Err(error) = told {
            log::debug!("cannot write {}: {error}", path.display());
        }
        Ok(Self { _file: file })
    }
}

/// An error about the lock's file.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
struct Beside(String, #[source] io::Error);

/// Whether an agent writes this journal. Changes nothing.
#[must_use]
pub fn writer(journal: &Path) -> Writer {
    let path = names::lock(journal);
    let file = match names::open_regular(&path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Writer::Gone,
        Err(_) => return Writer::Unknown,
    };
    let mut lock = whole(libc::F_RDLCK);
    let since = file.metadata().and_then(|found| found.modified());
    match (fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)), since) {
        (Ok(_), _) if i32::from(lock.l_type) == libc::F_UNLCK => Writer::Gone,
        (Ok(_), Ok(since)) => Writer::Since(Time::of_system(since)),
        _ => Writer::Unknown,
    }
}

fn whole(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind.try_into().unwrap_or_default(),
        l_whence: libc::SEEK_SET.try_into().unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[test]
    fn one_has_it_and_others_see_who_and_since_when() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("journal");
        assert_eq!(writer(&journal), Writer::Gone, "nobody ever did");

        let before = Time::now();
        let lock = Lock::take(&journal).expect("free");
        let Writer::Since(since) = writer(&journal) else {
            panic!("it is held: {:?}", writer(&journal));
        };
        // The kernel stamps files with the time of its last tick.
        let tick = Duration::from_millis(20);
        assert!(since.plus(tick) >= before && since <= Time::now());
        let error = Lock::take(&journal).expect_err("taken").to_string();
        let mine = format!("another agent (process {}) writes it", process::id());
        assert_eq!(error, mine);

        drop(lock);
        assert_eq!(writer(&journal), Writer::Gone);
        Lock::take(&journal).expect("free again");
    }

    #[test]
    fn what_stands_in_the_file_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("journal");
        let _lock = Lock::take(&journal).expect("free");
        for text in ["", "\u{1b}[2J", "99999999999", &"7".repeat(99)] {
            fs::write(names::lock(&journal), text).expect("written");
            let error = Lock::take(&journal).expect_err("taken").to_string();
            assert_eq!(error, "another agent writes it");
        }
    }

    #[test]
    fn a_lock_that_is_no_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("journal");
        fs::create_dir(names::lock(&journal)).expect("a folder");
        let error = Lock::take(&journal).expect_err("refused").to_string();
        assert!(
            error.contains("journal.lock: it is not a regular file"),
            "{error}"
        );
        assert_eq!(writer(&journal), Writer::Unknown);
    }
}

//! The incident journal: JSON lines in a file.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::lines::Lines;
use crate::records::Record;

/// A journal open for appending.
pub struct Journal {
    path: PathBuf,
    lines: Lines<File>,
}

impl Journal {
    /// Opens the journal, making it and its folder when they are missing. Only the owner and the
    /// group may read it: it names clients.
    ///
    /// # Errors
    /// When it cannot be made, read or written, or is anything but a regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Opened for reading too, so that a FIFO opens without a writer and is refused below.
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_CLOEXEC)
            .open(path)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ELOOP) => refused("it is a symbolic link"),
                Some(libc::ENXIO | libc::EISDIR) => refused("it is not a regular file"),
                _ => error,
            })?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(refused("it is not a regular file"));
        }
        let torn = match metadata.len().checked_sub(1) {
            Some(last) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, last)?;
                byte != *b"\n"
            }
            None => false,
        };
        Ok(Self {
            path: path.to_owned(),
            lines: Lines::new(file, torn),
        })
    }

    /// Appends a record, on a line of its own. A disk that does not take records is named in the
    /// log once, and once more when it does again.
    pub fn append(&mut self, record: &Record) {
        match record.to_json_line() {
            Ok(line) => {
                let outcome = self.lines.write(&line);
                outcome.warn(format_args!("the journal {}", self.path.display()));
            }
            Err(error) => log::error!("a record cannot be written as JSON: {error}"),
        }
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;
    use crate::{
        clock::Time,
        facts::{Reload, ReloadResult},
        records::Body,
    };

    fn record() -> Record {
        let reload = Reload {
            result: ReloadResult::Ok,
            generation: 2,
        };
        let (time, host) = (Time::now(), "host".to_owned());
        Record::new(time, "/run/nginx.pid".into(), host, Body::Reload(reload))
    }

    #[test]
    fn a_torn_line_spoils_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/journal");
        Journal::open(&path).expect("a new one").append(&record());
        let whole = fs::read_to_string(&path).expect("its text");
        assert!(whole.starts_with('{'), "no empty line: {whole}");
        fs::write(&path, format!("{whole}{{\"torn")).expect("a crash");

        let mut journal = Journal::open(&path).expect("the old one");
        journal.append(&record());
        journal.append(&record());
        let text = fs::read_to_string(&path).expect("its text");
        let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        let lines: Vec<_> = text.lines().map(is_json).collect();
        assert_eq!(lines, [true, false, true, true], "{text}");
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (fifo, link) = (folder.path().join("fifo"), folder.path().join("link"));
        mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
        symlink(folder.path().join("elsewhere"), &link).expect("a link");
        for (path, why) in [
            (fifo.as_path(), "not a regular file"),
            (Path::new("/dev/null"), "not a regular file"),
            (folder.path(), "not a regular file"),
            (&link, "symbolic link"),
        ] {
            let error = Journal::open(path).err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains(why), "{}: {error}", path.display());
        }
        assert!(!folder.path().join("elsewhere").exists());
    }
}

//! The journal's files, read line by line.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::sinks::journal::names::{self, MOST_KEPT};

/// Longer lines are no records, in bytes: the longest that an agent writes have a few 100 KiB.
const MAX_LINE: usize = 1 << 20;
/// How often files are opened anew that were rotated meanwhile.
const TRIES: usize = 100;
/// What is read at once, in bytes.
const BUFFER: usize = 64 << 10;

/// A journal and its rotated files, as long as they were when they were opened.
pub(super) struct Files {
    /// The oldest first.
    files: Vec<OneFile>,
    /// Which file has the journal's own name.
    newest: Option<Identity>,
}

/// Device and inode.
type Identity = (u64, u64);

struct OneFile {
    name: PathBuf,
    file: File,
    size: u64,
}

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    file: usize,
    offset: u64,
    length: usize,
}

impl Place {
    pub(super) const fn new(file: usize, offset: u64, length: usize) -> Self {
        Self {
            file,
            offset,
            length,
        }
    }
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the journal {}: {error}{}", .name.display(), advice(.error))]
pub(super) struct Unreadable {
    name: PathBuf,
    error: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "; no agent has written there yet: start `nginx-probe run`, or name the journal of one \
             with --journal"
        }
        io::ErrorKind::PermissionDenied => {
            "; its owner and its group may read it: run this as one of them, or as root"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => {
            "; name the file that `run` was given as --journal"
        }
        _ => "",
    }
}

impl Files {
    /// Opens all of them that are there.
    ///
    /// # Errors
    /// When there is none, or one cannot be opened or is no regular file.
    pub(super) fn open(journal: &Path) -> Result<Self, Unreadable> {
        let mut last = Self::open_once(journal)?;
        for _ in 0..TRIES {
            // A rotation takes its name from the newest file last. While that has it, each of the
            // others moved by one number at most.
            if newest(journal) == last.newest {
                break;
            }
            last = Self::open_once(journal)?;
        }
        Ok(last)
    }

    /// Files move to higher numbers meanwhile: opened in this order none is missed that moves by
    /// one, and one that is met twice is the same file.
    fn open_once(journal: &Path) -> Result<Self, Unreadable> {
        let mut files: Vec<OneFile> = Vec::new();
        let (mut newest, mut known) = (None, Vec::new());
        let mut missing = None;
        let rotated = (1..=MOST_KEPT).map(|n| names::rotated(journal, n));
        for name in [journal.to_owned()].into_iter().chain(rotated) {
            match open(&name) {
                Ok((file, size, identity)) => {
                    if name == journal {
                        newest = Some(identity);
                    }
                    if !known.contains(&identity) {
                        known.push(identity);
                        files.push(OneFile { name, file, size });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing.get_or_insert(Unreadable { name, error });
                }
                Err(error) => return Err(Unreadable { name, error }),
            }
        }
        if let Some(error) = missing.filter(|_| files.is_empty()) {
            return Err(error);
        }
        files.reverse();
        Ok(Self { files, newest })
    }

    /// Gives each line, the oldest first, without its newline. Gives how many were too long to be
    /// records and were passed over.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn scan(&self, mut each: impl FnMut(Place, &[u8])) -> Result<u64, Unreadable> {
        let mut too_long = 0;
        for (at, one) in self.files.iter().enumerate() {
            too_long += one
                .scan(|offset, line| each(Place::new(at, offset, line.len()), line))
                .map_err(|error| one.unreadable(error))?;
        }
        Ok(too_long)
    }

    /// Reads a line again.
    ///
    /// # Errors
    /// When its file cannot be read, or is shorter now.
    pub(super) fn line(&self, place: Place) -> Result<Vec<u8>, Unreadable> {
        let mut line = vec![0; place.length];
        if let Some(one) = self.files.get(place.file) {
            one.file
                .read_exact_at(&mut line, place.offset)
                .map_err(|error| one.unreadable(error))?;
        }
        Ok(line)
    }
}

impl OneFile {
    fn scan(&self, mut each: impl FnMut(u64, &[u8])) -> io::Result<u64> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(BUFFER, file.take(self.size));
        let (mut line, mut offset, mut too_long) = (Vec::new(), 0, 0);
        loop {
            line.clear();
            let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX) + 1;
            let count = (&mut reader).take(most).read_until(b'\n', &mut line)?;
            let mut length = count;
            match line.split_last() {
                None => return Ok(too_long),
                Some((b'\n', text)) => each(offset, text),
                Some(_) if count <= MAX_LINE => each(offset, &line),
                Some(_) => {
                    length = length.saturating_add(reader.skip_until(b'\n')?);
                    too_long += 1;
                }
            }
            offset += u64::try_from(length).unwrap_or(u64::MAX);
        }
    }

    fn unreadable(&self, error: io::Error) -> Unreadable {
        let name = self.name.clone();
        Unreadable { name, error }
    }
}

fn newest(journal: &Path) -> Option<Identity> {
    let found = journal.metadata().ok()?;
    Some((found.dev(), found.ino()))
}

/// A regular file, its size, and which it is.
fn open(name: &Path) -> io::Result<(File, u64, Identity)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(name)?;
    let found = file.metadata()?;
    if found.is_dir() {
        let error = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder");
        return Err(error);
    }
    if !found.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(error);
    }
    Ok((file, found.len(), (found.dev(), found.ino())))
}

#[cfg(test)]
mod tests {
    use std::{fs, thread::sleep, time::Duration};

    use nix::{sys::stat::Mode, unistd::mkfifo};
    use prometheus_client::metrics::counter::Counter;

    use super::*;
    use crate::{
        clock::Time,
        facts::{Reload, ReloadResult},
        records::{Body, Record},
        sinks::journal::{Journal, Limits},
    };

    fn lines(files: &Files) -> Vec<String> {
        let mut lines = Vec::new();
        let read = files.scan(|place, line| {
            assert_eq!(files.line(place).expect("the same"), line);
            lines.push(String::from_utf8_lossy(line).into_owned());
        });
        lines.push(format!("{} too long", read.expect("read")));
        lines
    }

    #[test]
    fn the_oldest_comes_first_and_gaps_do_not_matter() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("j");
        for (name, text) in [
            ("j", "f\n"),
            ("j.1", "d\ne\n"),
            ("j.2", ""),
            ("j.4", "b\n\nc"),
            ("j.12", "a\n"),
            ("j.100", "never\n"),
        ] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let all = ["a", "b", "", "c", "d", "e", "f", "0 too long"];
        assert_eq!(lines(&Files::open(&journal).expect("open")), all);
        // As it is between two steps of a rotation.
        fs::remove_file(&journal).expect("gone");
        fs::hard_link(names::rotated(&journal, 1), names::rotated(&journal, 3)).expect("met twice");
        let files = Files::open(&journal).expect("open");
        assert_eq!(lines(&files), ["a", "b", "", "c", "d", "e", "0 too long"]);
        // What is written later is not read, what is taken away is not waited for.
        fs::write(names::rotated(&journal, 1), "d\n").expect("cut");
        assert_eq!(lines(&files), ["a", "b", "", "c", "d", "0 too long"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = folder.path().join("j");
        let (longest, longer) = ("x".repeat(MAX_LINE), "y".repeat(MAX_LINE + 1));
        fs::write(
            &journal,
            format!("{longest}\n{longer}\na\n{longer}{longer}"),
        )
        .expect("written");
        let files = Files::open(&journal).expect("open");
        let read = lines(&files);
        assert!(read[0] == longest && read[1..] == ["a", "2 too long"]);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_the_way_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
        let missing = folder.path().join("none");
        for (path, words) in [
            (missing.as_path(), ["No such file", "--journal"]),
            (folder.path(), ["it is a folder", "--journal"]),
            (&fifo, ["it is not a regular file", "--journal"]),
        ] {
            let error = Files::open(path).err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            let name = path.display().to_string();
            assert!(error.contains(&name), "{error}");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn a_reader_beside_a_writer_misses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("j");
        let (size, keep) = (600, MOST_KEPT);
        let mut journal =
            Journal::open(&path, Limits { size, keep }, Counter::default()).expect("a new one");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for generation in 0..2000 {
                    let result = ReloadResult::Ok;
                    let body = Body::Reload(Reload {
                        result,
                        generation,
                        detail: None,
                    });
                    journal.append(&Record::new(Time(0), "i".into(), String::new(), body));
                    if generation % 10 == 0 {
                        sleep(Duration::from_millis(1));
                    }
                }
            });
            while !writer.is_finished() {
                let files = Files::open(&path).expect("open");
                let mut found = Vec::new();
                let number = |line: &[u8]| {
                    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
                    value["generation"].as_u64()
                };
                let read = files.scan(|_, line| found.push(number(line)));
                assert_eq!(read.expect("read"), 0);
                let follow = |two: &[Option<u64>]| two[0].map(|n| n + 1) == two[1];
                assert!(found.windows(2).all(follow), "{found:?}");
            }
        });
    }
}

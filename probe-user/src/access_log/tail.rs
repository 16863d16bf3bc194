//! The unread part of one open log file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Stat, fstat};

use crate::rooted::{OpenError, Root};

/// The longest line that is given, in bytes. nginx limits a request line to 8 KB by default.
pub const MAX_LINE: usize = 64 * 1024;

/// The most that one call reads, in bytes, so that a poll takes milliseconds.
const MAX_READ: u64 = 8 * 1024 * 1024;

/// An unread part beyond this many bytes is not worth reading: failures are told as they happen.
/// It also keeps a sparse file of a terabyte from being read.
const MAX_BACKLOG: u64 = 256 * 1024 * 1024;

const CHUNK: usize = 64 * 1024;

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines given to the sink.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Lines longer than [`MAX_LINE`], skipped.
    pub overlong: u64,
    /// Beginnings of lines whose end never came.
    pub torn: u64,
    /// Times that the file had become shorter and was read from its beginning again. A file that
    /// is truncated and outgrows its earlier size between two polls is not noticed.
    pub truncations: u64,
    /// Bytes skipped because too much was unread.
    pub skipped_bytes: u64,
}

#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    identity: (u64, u64),
    position: u64,
    /// The beginning of a line that is still being written.
    partial: Vec<u8>,
    /// What comes before the next line feed is not wanted.
    skipping: bool,
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
    /// Opens the file at `path`, to be read from its end or its beginning.
    pub(super) fn open(root: &Root, path: &Path, at_end: bool) -> Result<Self, OpenError> {
        let (file, stat) = root.open_regular(path)?;
        let position = if at_end { size_of(&stat) } else { 0 };
        let mut last = [b'\n'];
        if let Some(before) = position.checked_sub(1) {
            // A failure shows again when the file is read.
            let _ = file.read_at(&mut last, before);
        }
        Ok(Self {
            file,
            identity: identity_of(&stat),
            position,
            partial: Vec::new(),
            skipping: last != [b'\n'],
            seen: None,
            grown_at: Instant::now(),
            deletion_noticed: false,
        })
    }

    /// Device and inode.
    pub(super) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Whether nothing happened to the file since it was last read to its end.
    pub(super) fn unchanged(&self) -> io::Result<bool> {
        let now = Seen::of(&fstat(&self.file)?);
        Ok(self.seen == Some(now) && self.position == now.size)
    }

    /// Gives `sink` every whole line that is there; whether there is more to read.
    pub(super) fn read(
        &mut self,
        sink: &mut dyn FnMut(&[u8]),
        tally: &mut Tally,
    ) -> io::Result<bool> {
        let seen = Seen::of(&fstat(&self.file)?);
        self.seen = Some(seen);
        if seen.size < self.position {
            tally.truncations += 1;
            self.give_up(tally);
            (self.position, self.skipping) = (0, false);
        }
        let unread = seen.size - self.position;
        if unread > MAX_BACKLOG {
            self.give_up(tally);
            tally.skipped_bytes += unread - MAX_READ;
            (self.position, self.skipping) = (seen.size - MAX_READ, true);
        }
        let end = seen.size.min(self.position + MAX_READ);
        let mut chunk = vec![0; CHUNK.min(usize::try_from(end - self.position).unwrap_or(CHUNK))];
        while self.position < end {
            let length = match self.file.read_at(&mut chunk, self.position) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.position += length as u64;
            tally.bytes += length as u64;
            self.grown_at = Instant::now();
            self.take(chunk.get(..length).unwrap_or_default(), sink, tally);
        }
        Ok(self.position < seen.size && self.position >= end)
    }

    /// Counts a line whose end will not come.
    pub(super) fn give_up(&mut self, tally: &mut Tally) {
        if !std::mem::take(&mut self.partial).is_empty() {
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

    fn take(&mut self, chunk: &[u8], sink: &mut dyn FnMut(&[u8]), tally: &mut Tally) {
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let mut partial = std::mem::take(&mut self.partial);
            if partial.len() + line.len() > MAX_LINE {
                tally.overlong += 1;
                continue;
            }
            tally.lines += 1;
            if partial.is_empty() {
                sink(line);
            } else {
                partial.extend_from_slice(line);
                sink(&partial);
            }
        }
        if self.skipping {
            return;
        }
        if self.partial.len() + rest.len() > MAX_LINE {
            tally.overlong += 1;
            self.partial = Vec::new();
            self.skipping = true;
        } else {
            self.partial.extend_from_slice(rest);
        }
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
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    struct Log {
        folder: tempfile::TempDir,
        file: File,
    }

    impl Log {
        fn new(text: &[u8]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut file = File::create(folder.path().join("log")).unwrap();
            file.write_all(text).unwrap();
            Self { folder, file }
        }

        fn tail(&self, at_end: bool) -> Tail {
            let root = Root::at(self.folder.path()).unwrap();
            Tail::open(&root, Path::new("/log"), at_end).unwrap()
        }
    }

    fn lines(tail: &mut Tail) -> (Vec<Vec<u8>>, Tally) {
        let (mut lines, mut tally) = (Vec::new(), Tally::default());
        while tail
            .read(&mut |line| lines.push(line.to_vec()), &mut tally)
            .unwrap()
        {}
        (lines, tally)
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        let mut log = Log::new(b"old\n");
        let mut tail = log.tail(true);
        for (written, expected) in [
            (&b""[..], &[][..]),
            (b"a", &[]),
            (b"b", &[]),
            (b"c\n\nd\xff\0", &[&b"abc"[..], b""]),
            (b"\n", &[b"d\xff\0"]),
        ] {
            log.file.write_all(written).unwrap();
            assert_eq!(lines(&mut tail).0, expected, "{written:?}");
        }
        assert!(tail.unchanged().unwrap());
        log.file.write_all(b"x").unwrap();
        assert!(!tail.unchanged().unwrap());
    }

    #[test]
    fn the_rest_of_a_line_begun_earlier_is_no_line() {
        let mut log = Log::new(b"half");
        let mut tail = log.tail(true);
        log.file.write_all(b" more").unwrap();
        assert_eq!(lines(&mut tail).0.len(), 0);
        log.file.write_all(b" done\nwhole\n").unwrap();
        assert_eq!(lines(&mut tail).0, [b"whole"]);
    }

    #[test]
    fn overlong_lines_are_counted_and_cost_no_memory() {
        let longest = vec![b'x'; MAX_LINE];
        for extra in [0, 1, CHUNK, 3 * CHUNK + 7, 9 * 1024 * 1024] {
            let mut text = b"a\n".to_vec();
            text.extend(vec![b'y'; MAX_LINE + extra]);
            text.push(b'\n');
            text.extend_from_slice(&longest);
            text.extend_from_slice(b"\nb\n");
            let mut tail = Log::new(&text).tail(false);
            let (lines, tally) = lines(&mut tail);
            let expected = if extra == 0 { 4 } else { 3 };
            assert_eq!(lines.len(), expected, "{extra}");
            assert_eq!(tally.overlong, u64::from(extra > 0), "{extra}");
            assert_eq!(tally.lines, lines.len() as u64);
            assert_eq!(tally.bytes, text.len() as u64);
            assert_eq!(lines[expected - 2], longest);
            assert!(tail.partial.capacity() <= 2 * MAX_LINE);
        }
    }

    #[test]
    fn a_truncated_file_is_read_from_its_beginning() {
        let mut log = Log::new(b"one\ntwo\n");
        let mut tail = log.tail(true);
        log.file.write_all(b"torn").unwrap();
        lines(&mut tail);
        log.file.set_len(0).unwrap();
        log.file.rewind().unwrap();
        log.file.write_all(b"three\n").unwrap();
        let (lines, tally) = lines(&mut tail);
        assert_eq!(lines, [b"three"]);
        assert_eq!((tally.truncations, tally.torn), (1, 1));
    }

    #[test]
    fn a_huge_backlog_is_skipped_and_said() {
        let mut log = Log::new(b"");
        let mut tail = log.tail(true);
        log.file.set_len(1 << 40).unwrap();
        log.file.seek(io::SeekFrom::End(0)).unwrap();
        log.file.write_all(b"\nlast\n").unwrap();
        let (lines, tally) = lines(&mut tail);
        assert_eq!(lines, [b"last"]);
        assert_eq!(tally.skipped_bytes + tally.bytes, (1 << 40) + 6);
        assert!(tally.bytes <= MAX_READ);
    }

    #[test]
    fn a_deleted_file_is_deserted_after_a_while() {
        let mut log = Log::new(b"");
        let mut tail = log.tail(true);
        std::fs::remove_file(log.folder.path().join("log")).unwrap();
        lines(&mut tail);
        assert!(!tail.is_deserted(Duration::from_hours(1)));
        while !tail.is_deserted(Duration::from_millis(1)) {
            std::thread::yield_now();
        }
        log.file.write_all(b"still\n").unwrap();
        assert_eq!(lines(&mut tail).0, [b"still"]);
        assert!(!tail.is_deserted(Duration::from_hours(1)));
    }
}

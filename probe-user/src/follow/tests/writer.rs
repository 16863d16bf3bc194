//! A writer of numbered lines that does to its log what rotation does, and a count of what came.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::follow::{Buffer, Follower, Position, Progress, Start};
use crate::rooted::Root;

/// How often each line came.
pub type Counts = BTreeMap<String, u64>;

pub struct Log {
    pub folder: tempfile::TempDir,
    /// As workers have it: the last one is what a new line goes to.
    pub open: Vec<File>,
    pub written: u64,
    /// The end of a line that was begun with the last of the open files.
    rest: String,
    pub came: Counts,
    buffer: Buffer,
}

impl Log {
    pub fn new() -> Self {
        let mut log = Self {
            folder: tempfile::tempdir().unwrap(),
            open: Vec::new(),
            written: 0,
            rest: String::new(),
            came: Counts::new(),
            buffer: Buffer::default(),
        };
        log.reopen();
        log
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn follow(&self, start: Start) -> Follower {
        let root = Arc::new(Root::at(self.folder.path()).unwrap());
        Follower::new(root, "/log".into(), start)
    }

    /// Polls until there is nothing more.
    pub fn poll(&mut self, follower: &mut Follower) -> Vec<Progress> {
        let mut all = Vec::new();
        for _ in 0..1000 {
            let came = &mut self.came;
            let mut sink = |line: &[u8]| {
                let line = String::from_utf8(line.to_vec()).unwrap();
                *came.entry(line).or_default() += 1;
            };
            let Ok(progress) = follower.poll(&mut self.buffer, &mut sink) else {
                return all;
            };
            let more = progress.more;
            all.push(progress);
            if !more {
                return all;
            }
        }
        panic!("there is always more");
    }

    /// The next line, which names its number and so differs from every other.
    pub fn line(&mut self) -> String {
        self.written += 1;
        let (number, length) = (self.written, (self.written % 90) as usize);
        format!("192.0.2.1 {number} {} #{number}\n", "x".repeat(length))
    }

    /// Writes whole lines with one of the open files, 0 for the oldest.
    pub fn write(&mut self, file: usize, lines: usize) {
        if file + 1 == self.open.len() {
            self.finish_piece();
        }
        let text: String = (0..lines).map(|_| self.line()).collect();
        self.open[file].write_all(text.as_bytes()).unwrap();
    }

    /// Writes the beginning of a line, or the rest of one that was begun.
    pub fn write_piece(&mut self) {
        if self.rest.is_empty() {
            let line = self.line();
            let (begin, rest) = line.split_at(line.len() / 2);
            self.open
                .last_mut()
                .unwrap()
                .write_all(begin.as_bytes())
                .unwrap();
            self.rest = rest.to_owned();
        } else {
            self.finish_piece();
        }
    }

    pub fn finish_piece(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.open
            .last_mut()
            .unwrap()
            .write_all(rest.as_bytes())
            .unwrap();
    }

    pub fn write_last(&mut self, lines: usize) {
        self.write(self.open.len() - 1, lines);
    }

    /// Opens the path anew, as a worker after `USR1`; what it had open stays so.
    pub fn reopen(&mut self) {
        if !self.open.is_empty() {
            self.finish_piece();
        }
        let path = self.path("log");
        let file = OpenOptions::new().append(true).create(true).open(path);
        self.open.push(file.unwrap());
    }

    /// Moves `log.1` to `log.2` and so on, and the log itself to `log.1`.
    pub fn rename(&mut self) {
        self.make_room();
        fs::rename(self.path("log"), self.path("log.1")).unwrap();
    }

    /// Copies the log to `log.1`, then empties it; `between` is called between the two.
    pub fn copytruncate(&mut self, between: impl FnOnce(&mut Self)) {
        self.copytruncate_slowly(|_| {}, between);
    }

    /// The same; `during` is called while the copy is there and empty, and again when half of it is
    /// written.
    pub fn copytruncate_slowly(
        &mut self,
        mut during: impl FnMut(&mut Self),
        between: impl FnOnce(&mut Self),
    ) {
        self.make_room();
        let mut copy = File::create(self.path("log.1")).unwrap();
        during(self);
        let text = fs::read(self.path("log")).unwrap();
        let (begin, rest) = text.split_at(text.len() / 2);
        copy.write_all(begin).unwrap();
        during(self);
        copy.write_all(rest).unwrap();
        between(self);
        let log = OpenOptions::new()
            .write(true)
            .open(self.path("log"))
            .unwrap();
        log.set_len(0).unwrap();
    }

    fn make_room(&mut self) {
        for number in (1..40).rev() {
            let (from, to) = (format!("log.{number}"), format!("log.{}", number + 1));
            if fs::rename(self.path(&from), self.path(&to)).is_ok() && number > 5 {
                // No log is rotated this often within seconds: files that old were written long ago.
                let file = OpenOptions::new()
                    .append(true)
                    .open(self.path(&to))
                    .unwrap();
                file.set_modified(SystemTime::now() - Duration::from_hours(1))
                    .unwrap();
            }
        }
    }

    /// Every whole line that is in the log and its siblings.
    pub fn there(&self) -> Counts {
        let mut counts = Counts::new();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            for line in text
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'))
            {
                *counts.entry(line.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    /// What is in the files came, exactly as often.
    pub fn assert_all_came(&self, what: &str) {
        let there = self.there();
        let lost: Vec<_> = there
            .keys()
            .filter(|&line| !self.came.contains_key(line))
            .collect();
        let twice: Vec<_> = self.came.iter().filter(|(_, count)| **count > 1).collect();
        assert!(
            lost.is_empty() && twice.is_empty(),
            "{what}: lost {} {:?}, twice {} {:?} of {}",
            lost.len(),
            lost.iter().take(3).collect::<Vec<_>>(),
            twice.len(),
            twice.iter().take(3).collect::<Vec<_>>(),
            there.len()
        );
    }
}

/// As it is after a restart: through the file's text.
pub fn stored(follower: &Follower) -> Position {
    let text = serde_json::to_string(&follower.position().unwrap()).unwrap();
    serde_json::from_str(&text).unwrap()
}

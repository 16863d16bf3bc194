//! A file system that tells nothing, and a write between the look and the watch.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::follow::Start;
use crate::rooted::Root;

/// Counts lines, and writes one more after the first look.
struct Writer {
    file: File,
    lines: u64,
    to_write: u64,
}

impl Reader<()> for Writer {
    fn line(&mut self, (): &(), _: &[u8]) {
        self.lines += 1;
    }

    fn polled(&mut self, (): &(), _: &Follower, _: Result<Progress, FollowError>) {
        if self.to_write > 0 {
            self.to_write -= 1;
            self.file.write_all(b"a line\n").unwrap();
        }
    }
}

fn start(folder: &Path, to_write: u64) -> (Followers<()>, Writer) {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    let mut followers = Followers::new();
    let root = Arc::new(Root::at(folder).unwrap());
    followers.insert((), Follower::new(root, "/log".into(), Start::End));
    let writer = Writer {
        file,
        lines: 0,
        to_write,
    };
    (followers, writer)
}

#[test]
fn what_is_written_before_the_watch_is_there_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut followers, mut writer) = start(folder.path(), 1);
    let begin = Instant::now();
    while writer.lines == 0 {
        if followers.wait_blocking(SAFETY_AND_MORE) {
            followers.poll(&mut writer);
        }
    }
    let waited = begin.elapsed();
    assert!(
        waited < Duration::from_secs(1),
        "only the look for safety found it: {waited:?}"
    );
}

const SAFETY_AND_MORE: Duration = Duration::from_secs(5);

#[test]
fn a_file_system_that_tells_nothing_is_polled_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (mut followers, mut writer) = start(folder.path(), 0);
    followers.poll(&mut writer);
    assert_eq!(followers.watched(), 1);
    for round in 1..=3 {
        assert!(followers.take_notices().is_empty(), "round {round}");
        writer.file.write_all(b"a line\n").unwrap();
        // The event is taken away, as if there had been none.
        let _ = followers.watcher.as_ref().unwrap().fired();
        for log in followers.logs.values_mut() {
            log.due = Instant::now();
        }
        followers.poll(&mut writer);
        assert_eq!(writer.lines, round);
    }
    assert_eq!(followers.watched(), 0);
    let notices = followers.take_notices();
    assert!(
        notices.len() == 1 && notices[0].contains("does not tell of changes"),
        "{notices:?}"
    );
    writer.file.write_all(b"a line\n").unwrap();
    let begin = Instant::now();
    while writer.lines < 4 {
        if followers.wait_blocking(SAFETY_AND_MORE) {
            followers.poll(&mut writer);
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(1));
}

//! Rotation in all its ways, by count.

use super::*;
use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::Write;

struct Logs {
    folder: tempfile::TempDir,
    follower: Follower,
    buffer: Buffer,
}

impl Logs {
    /// Follows `/log` of a folder where that holds `text`, or is missing.
    fn new(text: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            std::fs::write(folder.path().join("log"), text).unwrap();
        }
        let root = Arc::new(Root::at(folder.path()).unwrap());
        let follower = Follower::new(root, "/log".into(), Start::End);
        let buffer = Buffer::default();
        Self {
            folder,
            follower,
            buffer,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str) -> File {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .unwrap()
    }

    fn poll(&mut self) -> (Vec<String>, Result<Progress, FollowError>) {
        let mut lines = Vec::new();
        let mut sink = |line: &[u8]| lines.push(String::from_utf8(line.to_vec()).unwrap());
        let progress = self.follower.poll(&mut self.buffer, &mut sink);
        (lines, progress)
    }

    /// Polls until this many lines came, at most a thousand times.
    fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..100_000 {
            lines.extend(self.poll().0);
            if lines.len() >= count {
                break;
            }
        }
        lines
    }
}

#[test]
fn only_what_is_written_later_counts() {
    let mut logs = Logs::new(Some("before\n"));
    let mut file = logs.append("log");
    file.write_all(b"a\n").unwrap();
    assert_eq!(logs.poll().0, ["a"]);
    for _ in 0..30 {
        let (lines, progress) = logs.poll();
        assert_eq!(lines, [""; 0]);
        assert!(progress.unwrap().path_problem.is_none());
    }
    file.write_all(b"b\n").unwrap();
    assert_eq!(logs.poll().0, ["b"]);
}

#[test]
fn a_file_that_was_waited_for_counts_whole() {
    let mut logs = Logs::new(None);
    for _ in 0..2 {
        let problem = logs.poll().1.unwrap_err();
        assert!(matches!(
            problem,
            FollowError::Open(OpenError::Missing { .. })
        ));
    }
    logs.append("log").write_all(b"first\n").unwrap();
    assert_eq!(logs.poll().0, ["first"]);
}

#[test]
fn rotation_loses_and_repeats_nothing() {
    let mut logs = Logs::new(Some(""));
    let mut old = logs.append("log");
    old.write_all(b"1\n").unwrap();
    assert_eq!(logs.poll().0, ["1"]);
    old.write_all(b"2\n").unwrap();
    rename(logs.path("log"), logs.path("log.1")).unwrap();
    let (lines, progress) = logs.poll();
    assert_eq!(lines, ["2"]);
    assert!(progress.unwrap().path_problem.unwrap().is_missing());
    old.write_all(b"3\n").unwrap();
    let mut new = logs.append("log");
    new.write_all(b"4\n").unwrap();
    let (lines, progress) = logs.poll();
    assert_eq!(lines, ["3", "4"]);
    assert_eq!(progress.unwrap().rotations, 1);
    // Workers reopen their logs one after the other.
    old.write_all(b"5\n").unwrap();
    new.write_all(b"6\n").unwrap();
    old.write_all(b"7").unwrap();
    assert_eq!(logs.poll().0, ["5", "6"]);

    logs.follower.linger = Duration::ZERO;
    let mut torn = 0;
    for _ in 0..1000 {
        torn += logs.poll().1.unwrap().read.torn;
    }
    assert_eq!((torn, logs.follower.rotated.len()), (1, 0));
    assert_eq!(logs.poll().0, [""; 0]);
}

#[test]
fn a_rename_alone_is_noticed_while_nothing_is_written() {
    let mut logs = Logs::new(Some(""));
    logs.poll().1.unwrap();
    rename(logs.path("log"), logs.path("log.1")).unwrap();
    logs.append("log").write_all(b"new\n").unwrap();
    assert_eq!(logs.lines(1), ["new"]);
}

#[test]
fn many_rotations_keep_few_files_open() {
    let mut logs = Logs::new(Some(""));
    for round in 0..20 {
        rename(logs.path("log"), logs.path("old")).unwrap();
        logs.append("log")
            .write_all(format!("{round}\n").as_bytes())
            .unwrap();
        assert_eq!(logs.lines(1), [round.to_string()]);
        assert!(logs.follower.rotated.len() <= MAX_ROTATED);
    }
}

#[test]
fn a_large_rest_is_read_before_the_new_file() {
    let mut logs = Logs::new(Some(""));
    let line = format!("{}\n", "x".repeat(999));
    logs.append("log")
        .write_all(line.repeat(20_000).as_bytes())
        .unwrap();
    rename(logs.path("log"), logs.path("log.1")).unwrap();
    logs.append("log").write_all(b"new\n").unwrap();
    let (mut lines, progress) = logs.poll();
    assert!(progress.unwrap().more);
    lines.extend(logs.lines(20_001 - lines.len()));
    assert_eq!(lines.len(), 20_001);
    assert_eq!(lines[20_000], "new");
}

#[test]
fn a_deleted_file_is_let_go_and_the_next_one_counts_whole() {
    let mut logs = Logs::new(Some(""));
    let mut file = logs.append("log");
    remove_file(logs.path("log")).unwrap();
    file.write_all(b"still\n").unwrap();
    assert_eq!(logs.lines(1), ["still"]);
    logs.follower.linger = Duration::ZERO;
    while logs.follower.identity().is_some() {
        logs.poll().1.unwrap();
    }
    assert!(logs.poll().1.is_err());
    logs.append("log").write_all(b"again\n").unwrap();
    assert_eq!(logs.poll().0, ["again"]);
}

#[test]
fn what_is_no_file_is_refused_until_it_is_one() {
    let mut logs = Logs::new(None);
    std::os::unix::fs::symlink("/dev/stdout", logs.path("log")).unwrap();
    let problem = logs.poll().1.unwrap_err().to_string();
    assert!(
        problem.starts_with("/log is not a regular file ("),
        "{problem}"
    );
    remove_file(logs.path("log")).unwrap();
    assert!(logs.poll().1.is_err());
    logs.append("log").write_all(b"a\n").unwrap();
    assert_eq!(logs.poll().0, ["a"]);
}

#[test]
fn a_file_that_was_let_go_is_read_on_at_the_next_rotation_and_not_again() {
    let mut logs = Logs::new(Some(""));
    let mut old = logs.append("log");
    old.write_all(b"1\n").unwrap();
    rename(logs.path("log"), logs.path("log.1")).unwrap();
    logs.append("log").write_all(b"2\n").unwrap();
    assert_eq!(logs.lines(2), ["1", "2"]);
    logs.follower.linger = Duration::ZERO;
    while !logs.follower.rotated.is_empty() {
        logs.poll().1.unwrap();
    }
    old.write_all(b"late\n").unwrap();
    rename(logs.path("log.1"), logs.path("log.2")).unwrap();
    rename(logs.path("log"), logs.path("log.1")).unwrap();
    logs.append("log").write_all(b"3\n").unwrap();
    assert_eq!(logs.lines(2), ["late", "3"]);
    assert_eq!(logs.poll().0, [""; 0]);
}

/// Between the look at what is beside the log and the reading of it, it is truncated and written
/// anew: what was taken for a copy of the log is all that is left of a line.
#[test]
fn a_copy_that_was_passed_over_is_found_when_the_log_is_truncated_just_then() {
    for copy_is_empty_at_first in [false, true] {
        let mut logs = Logs::new(Some(""));
        assert_eq!(logs.poll().0, [""; 0]);
        let mut log = logs.append("log");
        let copy = logs.path("log.1");
        if copy_is_empty_at_first {
            File::create(&copy).unwrap();
        } else {
            log.write_all(b"copied\n").unwrap();
            std::fs::copy(logs.path("log"), &copy).unwrap();
        }
        let mut progress = Progress::default();
        let found = logs.follower.search(0);
        logs.follower.take_up(found, &mut progress);
        if copy_is_empty_at_first {
            log.write_all(b"copied\n").unwrap();
            std::fs::copy(logs.path("log"), &copy).unwrap();
            let mut sink = |line: &[u8]| panic!("{}", line.escape_ascii());
            let (follower, buffer) = (&mut logs.follower, &mut logs.buffer);
            follower
                .read_rotated(buffer, &mut sink, &mut progress)
                .unwrap();
        }
        log.set_len(0).unwrap();
        log.write_all(b"new\n").unwrap();
        let mut lines = Vec::new();
        let mut sink = |line: &[u8]| lines.push(String::from_utf8(line.to_vec()).unwrap());
        let live = logs.follower.current.as_mut().unwrap();
        live.read(&mut logs.buffer, &mut sink, &mut progress.read)
            .unwrap();
        lines.extend(logs.lines(2 - lines.len()));
        assert_eq!(lines, ["copied", "new"], "{copy_is_empty_at_first}");
    }
}

#[test]
fn a_file_that_is_renamed_away_and_back_counts_once() {
    let mut logs = Logs::new(Some(""));
    let mut file = logs.append("log");
    file.write_all(b"a\n").unwrap();
    assert_eq!(logs.poll().0, ["a"]);
    rename(logs.path("log"), logs.path("log.1")).unwrap();
    logs.append("log");
    file.write_all(b"b\n").unwrap();
    assert_eq!(logs.lines(1), ["b"]);
    rename(logs.path("log.1"), logs.path("log")).unwrap();
    file.write_all(b"c\n").unwrap();
    assert_eq!(logs.lines(1), ["c"]);
    // The same with nothing in its place, and copied and emptied after that.
    rename(logs.path("log"), logs.path("log.1")).unwrap();
    file.write_all(b"d\n").unwrap();
    assert_eq!(logs.lines(1), ["d"]);
    rename(logs.path("log.1"), logs.path("log")).unwrap();
    file.write_all(b"e\n").unwrap();
    assert_eq!(logs.lines(1), ["e"]);
    std::fs::copy(logs.path("log"), logs.path("log.2")).unwrap();
    file.set_len(0).unwrap();
    file.write_all(b"f\n").unwrap();
    assert_eq!(logs.lines(1), ["f"]);
    for _ in 0..30 {
        assert_eq!(logs.poll().0, [""; 0]);
    }
}

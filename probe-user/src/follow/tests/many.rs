//! Several logs at once: woken by the kernel, polled where it does not, and bounded.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, rename};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::follow::{FollowError, Follower, Followers, Progress, Reader, Start};
use crate::rooted::Root;

/// A test waits this long for what takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Came {
    lines: BTreeMap<&'static str, Vec<String>>,
    looks: u64,
    problems: Vec<String>,
    same: Vec<(&'static str, &'static str)>,
    /// Each log is read by itself, whatever file it is.
    apart: bool,
}

impl Reader<&'static str> for Came {
    fn line(&mut self, key: &&'static str, line: &[u8]) {
        let line = String::from_utf8(line.to_vec()).unwrap();
        self.lines.entry(key).or_default().push(line);
    }

    fn polled(&mut self, _: &&'static str, _: &Follower, result: Result<Progress, FollowError>) {
        self.looks += 1;
        if let Err(error) = result {
            self.problems.push(error.to_string());
        }
    }

    fn same(&mut self, key: &&'static str, other: &&'static str) -> bool {
        if !self.apart {
            self.same.push((key, other));
        }
        !self.apart
    }
}

struct Logs {
    folder: tempfile::TempDir,
    root: Arc<Root>,
    came: Came,
}

impl Logs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::at(folder.path()).unwrap());
        let came = Came::default();
        Self { folder, root, came }
    }

    fn append(&self, name: &str) -> File {
        let path = self.folder.path().join(name);
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap()
    }

    fn follow(&self, followers: &mut Followers<&'static str>, name: &'static str) {
        let path = Path::new("/").join(name);
        followers.insert(
            name,
            Follower::new(Arc::clone(&self.root), path, Start::End),
        );
    }

    /// Waits and polls until `done`.
    fn until(&mut self, followers: &mut Followers<&'static str>, done: impl Fn(&Came) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !done(&self.came) {
            assert!(
                Instant::now() < end,
                "{:?} {:?}",
                self.came.lines,
                followers
            );
            if followers.wait_blocking(DEADLINE) {
                followers.poll(&mut self.came);
            }
        }
    }

    fn count(&self, name: &str) -> usize {
        self.came.lines.get(name).map_or(0, Vec::len)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Follows `log` until it rests, watched.
fn at_rest(logs: &mut Logs, followers: &mut Followers<&'static str>) {
    logs.until(followers, |came| came.looks > 0);
    assert_eq!(followers.watched(), 1);
}

#[test]
fn a_write_wakes_at_once_and_an_idle_log_is_left_alone() {
    let mut logs = Logs::new();
    let mut file = logs.append("log");
    let mut followers = Followers::new();
    logs.follow(&mut followers, "log");
    at_rest(&mut logs, &mut followers);
    for round in 1..=10 {
        file.write_all(b"a line\n").unwrap();
        let written = Instant::now();
        logs.until(&mut followers, |came| {
            came.lines.get("log").map_or(0, Vec::len) == round
        });
        // Well before the look that is made for safety, on a machine that others load.
        assert!(
            written.elapsed() < Duration::from_secs(1),
            "{:?}",
            written.elapsed()
        );
    }
    assert!(
        logs.came.looks <= 40,
        "{} looks for ten lines",
        logs.came.looks
    );
}

#[test]
fn tokio_is_woken_too() {
    let mut logs = Logs::new();
    let mut file = logs.append("log");
    let mut followers = Followers::new();
    logs.follow(&mut followers, "log");
    runtime().block_on(async {
        while followers.watched() == 0 {
            followers.wait().await;
            followers.poll(&mut logs.came);
        }
        for round in 1..=5 {
            let written = Instant::now();
            file.write_all(b"a line\n").unwrap();
            while logs.count("log") < round {
                // Dropped and made anew, as in a select.
                tokio::select! {
                    biased;
                    () = tokio::task::yield_now() => {}
                    () = followers.wait() => {}
                }
                let woken = tokio::time::timeout(DEADLINE, followers.wait()).await;
                assert!(woken.is_ok(), "round {round}");
                followers.poll(&mut logs.came);
            }
            assert!(written.elapsed() < Duration::from_secs(1));
        }
    });
}

#[test]
fn a_busy_log_is_not_watched() {
    let mut logs = Logs::new();
    let mut file = logs.append("log");
    let mut followers = Followers::new();
    logs.follow(&mut followers, "log");
    at_rest(&mut logs, &mut followers);
    file.write_all("a line\n".repeat(100).as_bytes()).unwrap();
    logs.until(&mut followers, |came| came.lines.contains_key("log"));
    assert_eq!(followers.watched(), 0);
    let looks = logs.came.looks;
    logs.until(&mut followers, |came| came.looks > looks);
    assert_eq!(followers.watched(), 1, "it is at rest again");
}

#[test]
fn a_rename_is_seen_through_the_watch_and_the_new_file_followed() {
    let mut logs = Logs::new();
    let mut old = logs.append("log");
    let mut followers = Followers::new();
    logs.follow(&mut followers, "log");
    at_rest(&mut logs, &mut followers);
    rename(
        logs.folder.path().join("log"),
        logs.folder.path().join("log.1"),
    )
    .unwrap();
    let mut new = logs.append("log");
    new.write_all(b"new\n").unwrap();
    logs.until(&mut followers, |came| came.lines.contains_key("log"));
    old.write_all(b"late\n").unwrap();
    logs.until(&mut followers, |came| came.lines["log"].len() == 2);
    assert_eq!(logs.came.lines["log"], ["new", "late"]);
}

#[test]
fn without_inotify_logs_are_polled() {
    let mut logs = Logs::new();
    let mut file = logs.append("log");
    let mut followers = Followers::polling();
    logs.follow(&mut followers, "log");
    for round in 1..=3 {
        file.write_all(b"a line\n").unwrap();
        logs.until(&mut followers, |came| {
            came.lines.get("log").map_or(0, Vec::len) == round
        });
    }
    assert_eq!(
        (followers.watched(), followers.take_notices().len()),
        (0, 0)
    );
}

#[test]
fn a_log_that_appears_later_counts_whole() {
    let mut logs = Logs::new();
    let mut followers = Followers::new();
    logs.follow(&mut followers, "log");
    logs.until(&mut followers, |came| came.looks > 0);
    assert!(logs.came.problems[0].contains("does not exist"));
    logs.append("log").write_all(b"first\n").unwrap();
    logs.until(&mut followers, |came| came.lines.contains_key("log"));
}

#[test]
fn a_file_by_several_paths_is_read_once_whenever_it_appears() {
    for appears_later in [false, true] {
        let mut logs = Logs::new();
        let path = |name: &str| logs.folder.path().join(name);
        std::os::unix::fs::symlink("/log", path("soft")).unwrap();
        std::os::unix::fs::symlink("/", path("folder")).unwrap();
        let mut followers = Followers::polling();
        if !appears_later {
            logs.append("log");
        }
        for name in ["log", "soft", "folder/log"] {
            logs.follow(&mut followers, name);
        }
        logs.until(&mut followers, |came| came.looks > 0);
        logs.append("log").write_all(b"first\n").unwrap();
        logs.until(&mut followers, |came| !came.lines.is_empty());
        rename(
            logs.folder.path().join("log"),
            logs.folder.path().join("log.1"),
        )
        .unwrap();
        logs.append("log").write_all(b"second\n").unwrap();
        logs.until(&mut followers, |came| {
            came.lines.get("log").map_or(0, Vec::len) == 2
        });
        followers.poll_all(&mut logs.came);
        assert_eq!((logs.count("soft"), logs.count("folder/log")), (0, 0));
        let same: Vec<_> = logs.came.same.iter().map(|(_, other)| *other).collect();
        assert_eq!(same, ["log"; 2]);
        followers.retain(|_, _| false);
        assert_eq!(followers.iter().count(), 0);
    }
}

#[test]
fn a_path_that_is_led_to_a_file_that_is_read_is_let_go_of() {
    let mut logs = Logs::new();
    let path = |name: &str| logs.folder.path().join(name);
    let (log, other) = (path("log"), path("other"));
    logs.append("log");
    logs.append("other");
    let mut followers = Followers::polling();
    logs.follow(&mut followers, "log");
    logs.follow(&mut followers, "other");
    logs.until(&mut followers, |came| came.looks >= 2);
    std::fs::remove_file(&log).unwrap();
    std::fs::hard_link(other, log).unwrap();
    logs.until(&mut followers, |came| came.same == [("log", "other")]);
    logs.append("other").write_all(b"line\n").unwrap();
    logs.until(&mut followers, |came| came.lines.contains_key("other"));
    followers.poll_all(&mut logs.came);
    assert_eq!(logs.count("log"), 0);
}

#[test]
fn a_file_that_two_follow_wakes_both() {
    let mut logs = Logs::new();
    logs.came.apart = true;
    let mut file = logs.append("log");
    std::fs::hard_link(
        logs.folder.path().join("log"),
        logs.folder.path().join("hard"),
    )
    .unwrap();
    let mut followers = Followers::new();
    logs.follow(&mut followers, "log");
    logs.follow(&mut followers, "hard");
    logs.until(&mut followers, |came| came.looks >= 2);
    for round in 1..=3 {
        file.write_all(b"a line\n").unwrap();
        logs.until(&mut followers, |came| {
            ["log", "hard"]
                .iter()
                .all(|name| came.lines.get(name).map_or(0, Vec::len) == round)
        });
    }
}

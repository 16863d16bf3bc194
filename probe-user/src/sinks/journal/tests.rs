//! Kills at any byte, rotation, other agents, and what is no file.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use nix::{sys::stat::Mode, unistd::mkfifo};

use super::*;
use crate::{
    clock::Time,
    facts::{Reload, ReloadResult},
    records::Body,
};

const LARGE: Limits = Limits {
    size: 1 << 20,
    keep: 4,
};

/// A record that is known by `n`.
fn record(n: u32) -> Record {
    let reload = Reload {
        result: ReloadResult::Ok,
        generation: n,
        detail: None,
    };
    let (time, host) = (Time(0), "host".to_owned());
    Record::new(time, "/run/nginx.pid".into(), host, Body::Reload(reload))
}

fn line(n: u32) -> String {
    record(n).to_json_line().expect("JSON")
}

fn open(path: &Path, limits: Limits) -> io::Result<Journal> {
    Journal::open(path, limits, Counter::default())
}

/// The numbers of all records, the oldest first, and how many lines are none.
fn numbers(journal: &Path) -> (Vec<u64>, usize) {
    let names = (1..=names::MOST_KEPT)
        .rev()
        .map(|n| names::rotated(journal, n));
    let (mut found, mut torn) = (Vec::new(), 0);
    for name in names.chain([journal.to_owned()]) {
        let text = fs::read_to_string(name).unwrap_or_default();
        for line in text.lines() {
            let value = serde_json::from_str::<serde_json::Value>(line);
            match value.ok().and_then(|value| value["generation"].as_u64()) {
                Some(n) => found.push(n),
                None => torn += 1,
            }
        }
    }
    (found, torn)
}

#[test]
fn a_kill_at_any_byte_spoils_no_other_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/journal");
    let mut journal = open(&path, LARGE).expect("a new one");
    (0..3).for_each(|n| journal.append(&record(n)));
    drop(journal);
    let whole = fs::read(&path).expect("its bytes");
    assert_eq!(
        String::from_utf8_lossy(&whole),
        line(0) + &line(1) + &line(2)
    );

    let first = line(0).len();
    for length in first..=whole.len() {
        fs::write(&path, &whole[..length]).expect("a kill");
        let mut journal = open(&path, LARGE).expect("the old one");
        let ended = fs::read(&path).expect("its bytes");
        assert_eq!(
            ended.last(),
            Some(&b'\n'),
            "cut at {length}: closed off at once"
        );
        (7..9).for_each(|n| journal.append(&record(n)));

        let kept = whole[..length].split_inclusive(|byte| *byte == b'\n');
        // A record that lacks nothing but its newline is whole.
        let whole_line = |part: &&[u8]| part.trim_ascii_end().ends_with(b"}");
        let kept: Vec<u64> = (0..).zip(kept.filter(whole_line)).map(|(n, _)| n).collect();
        let (found, torn) = numbers(&path);
        assert_eq!(found, [kept, vec![7, 8]].concat(), "cut at {length}");
        assert!(torn <= 1, "cut at {length}");
        let text = fs::read_to_string(&path).expect("its text");
        assert!(
            !text.contains("\n\n") && text.starts_with('{'),
            "cut at {length}: {text}"
        );
    }
}

#[test]
fn rotation_loses_nothing_and_repeats_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let size = line(10).len() as u64 * 3 + 2;
    let mut journal = open(&path, Limits { size, keep: 4 }).expect("a new one");
    for n in 10..25 {
        journal.append(&record(n));
        assert!(fs::metadata(&path).expect("a file").len() <= size);
    }
    assert_eq!(numbers(&path), ((10..25).collect(), 0));
    let mode = fs::metadata(names::rotated(&path, 1))
        .expect("a file")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o640 & mode.mode());

    journal.append(&record(25));
    assert_eq!(
        numbers(&path),
        ((13..=25).collect(), 0),
        "the oldest file is gone"
    );
    assert!(!names::rotated(&path, 5).exists());
}

#[test]
fn a_kill_between_the_steps_of_a_rotation_costs_nothing() {
    let size = line(10).len() as u64 * 2 + 2;
    let limits = Limits { size, keep: 3 };
    // Four full files, then each state that a kill leaves behind: so many renames were done.
    for done in 0..=3 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let mut journal = open(&path, limits).expect("a new one");
        (10..18).for_each(|n| journal.append(&record(n)));
        drop(journal);
        let name = |n| {
            if n == 0 {
                path.clone()
            } else {
                names::rotated(&path, n)
            }
        };
        for n in (0..3).rev().take(done) {
            fs::rename(name(n), name(n + 1)).expect("a step");
        }
        let before = if done == 0 { 10 } else { 12 };
        assert_eq!(numbers(&path), ((before..18).collect(), 0), "{done} steps");

        let mut journal = open(&path, limits).expect("the old one");
        journal.append(&record(18));
        assert_eq!(
            numbers(&path),
            ((12..=18).collect(), 0),
            "{done} steps, gone on"
        );
        (19..21).for_each(|n| journal.append(&record(n)));
        let (found, torn) = numbers(&path);
        assert_eq!((found.last(), torn), (Some(&20), 0), "{done} steps, and on");
        assert!(
            found.windows(2).all(|two| two[0] + 1 == two[1]),
            "{found:?}"
        );
    }
}

#[test]
fn a_rotation_that_cannot_be_done_loses_no_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let blocked = names::rotated(&path, 1);
    fs::create_dir_all(blocked.join("x")).expect("in the way");
    let size = line(10).len() as u64 + 2;
    let mut journal = open(&path, Limits { size, keep: 1 }).expect("a new one");
    (10..13).for_each(|n| journal.append(&record(n)));
    assert_eq!(numbers(&path), (vec![10, 11, 12], 0));
    assert_eq!(journal.lost.get(), 0);
    fs::remove_dir_all(&blocked).expect("mended");
    journal.append(&record(13));
    assert_eq!(numbers(&path), (vec![10, 11, 12, 13], 0));
    assert_eq!(
        fs::metadata(&path).expect("a file").len(),
        line(13).len() as u64
    );
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let mut journal = open(&path, LARGE).expect("a new one");
    journal.append(&record(1));
    fs::rename(&path, names::rotated(&path, 1)).expect("another's rotation");
    journal.append(&record(2));
    assert_eq!(fs::read_to_string(&path).expect("a file"), line(2));
    fs::remove_file(&path).expect("gone");
    journal.append(&record(3));
    assert_eq!(numbers(&path), (vec![1, 3], 0));
}

#[test]
fn what_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/journal");
    let lost = Counter::default();
    let mut journal = Journal::open(&path, LARGE, lost.clone()).expect("a new one");
    fs::rename(folder.path().join("deep"), folder.path().join("away")).expect("moved");
    (1..4).for_each(|n| journal.append(&record(n)));
    assert_eq!(lost.get(), 3);
    fs::rename(folder.path().join("away"), folder.path().join("deep")).expect("back");
    journal.append(&record(4));
    assert_eq!((numbers(&path), lost.get()), ((vec![4], 0), 3));
}

#[test]
fn a_second_agent_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let mut first = open(&path, LARGE).expect("a new one");
    first.append(&record(1));
    // As a write that is not done yet.
    let mut torn = File::options().append(true).open(&path).expect("the file");
    torn.write_all(b"{\"torn").expect("written");
    let error = open(&path, LARGE).err().map(|error| error.to_string());
    let said = error.unwrap_or_default();
    assert!(said.contains("another agent (process "), "{said}");
    assert_eq!(
        fs::read_to_string(&path).expect("its text"),
        line(1) + "{\"torn"
    );
    drop(first);
    open(&path, LARGE).expect("free again");
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
        let error = open(path, LARGE).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.contains(why), "{}: {error}", path.display());
        assert!(!names::lock(path).exists(), "{}", path.display());
    }
    assert!(!folder.path().join("elsewhere").exists());
}

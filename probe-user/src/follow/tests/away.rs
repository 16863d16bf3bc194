//! The agent is away while its log is rotated, and goes on exactly where it was.

use std::fs;
use std::process::Command;

use super::writer::{Log, stored};
use crate::follow::{Progress, Start};

fn sum(all: &[Progress], what: impl Fn(&Progress) -> u64) -> u64 {
    all.iter().map(what).sum()
}

#[test]
fn nothing_is_lost_or_repeated_however_often_it_is_renamed_meanwhile() {
    for times in 0..=3 {
        for late in [false, true] {
            let mut log = Log::new();
            log.write_last(20);
            let before = log.there().len();
            let mut follower = log.follow(Start::End);
            log.poll(&mut follower);
            assert!(log.came.is_empty(), "what was there before does not count");
            log.write_last(5);
            log.write_piece();
            log.poll(&mut follower);
            let position = stored(&follower);
            drop(follower);
            for _ in 0..times {
                log.write_last(7);
                log.rename();
                log.reopen();
                if late {
                    log.write(log.open.len() - 2, 2);
                }
            }
            log.write_last(3);
            let mut follower = log.follow(Start::Resume(position));
            let all = log.poll(&mut follower);
            let expected = log.there().len() - before;
            assert_eq!(log.came.len(), expected, "{times} renames, late {late}");
            assert!(log.came.values().all(|&count| count == 1));
            assert_eq!(sum(&all, |p| p.gaps), 0);
            assert_eq!(sum(&all, |p| p.rotations), u64::from(times > 0));
        }
    }
}

#[test]
fn nothing_in_a_copy_is_lost_or_repeated() {
    for times in 1..=3 {
        let mut log = Log::new();
        let mut follower = log.follow(Start::End);
        log.write_last(30);
        log.poll(&mut follower);
        let position = stored(&follower);
        for _ in 0..times {
            log.write_last(30);
            log.copytruncate(|_| {});
            // The log outgrows what it was, so that its size tells nothing.
            log.write_last(90);
        }
        let mut follower = log.follow(Start::Resume(position));
        let all = log.poll(&mut follower);
        log.assert_all_came(&format!("{times} copies"));
        assert_eq!(
            (sum(&all, |p| p.read.truncations), sum(&all, |p| p.gaps)),
            (1, 0)
        );
    }
}

#[test]
fn a_compressed_file_is_a_gap_that_is_told() {
    let mut log = Log::new();
    let mut follower = log.follow(Start::End);
    log.write_last(5);
    log.poll(&mut follower);
    let position = stored(&follower);
    log.write_last(4);
    log.rename();
    log.reopen();
    log.write_last(3);
    log.rename();
    log.reopen();
    let gzip = Command::new("gzip")
        .arg(log.path("log.2"))
        .status()
        .unwrap();
    assert!(gzip.success());
    log.write_last(2);
    let mut follower = log.follow(Start::Resume(position));
    let all = log.poll(&mut follower);
    assert_eq!(log.came.len(), 5 + 3 + 2, "all but what was compressed");
    assert_eq!(sum(&all, |p| p.gaps), 1);
}

#[test]
fn another_file_with_the_old_ones_inode_is_read_whole() {
    let mut log = Log::new();
    let mut follower = log.follow(Start::End);
    log.write_last(9);
    log.poll(&mut follower);
    let mut position = stored(&follower);
    drop(follower);
    log.open.clear();
    fs::remove_file(log.path("log")).unwrap();
    log.reopen();
    log.write_last(40);
    // Not every file system gives the number anew at once.
    let reused = log.follow(Start::End).identity().unwrap();
    let mark = position.current.as_mut().unwrap();
    (mark.device, mark.inode) = reused;
    let mut follower = log.follow(Start::Resume(position));
    let all = log.poll(&mut follower);
    assert_eq!(log.came.len(), 49);
    assert_eq!(sum(&all, |p| p.gaps), 1);
}

#[test]
fn other_files_beside_the_log_are_none_of_its_earlier_ones() {
    let mut log = Log::new();
    let mut follower = log.follow(Start::End);
    log.write_last(5);
    log.poll(&mut follower);
    let position = stored(&follower);
    fs::copy(log.path("log"), log.path("log.20260131")).unwrap();
    for name in ["log_ssl", "log.old", "logger", "log.1.bak"] {
        fs::write(log.path(name), "another\n").unwrap();
    }
    fs::create_dir(log.path("log.70")).unwrap();
    std::os::unix::fs::symlink("log", log.path("log.80")).unwrap();
    log.rename();
    log.reopen();
    log.write_last(2);
    let mut follower = log.follow(Start::Resume(position));
    log.poll(&mut follower);
    assert_eq!(log.came.len(), 7, "{:?}", log.came);
    assert!(log.came.values().all(|&count| count == 1));
}

#[test]
fn a_hostile_position_harms_nothing() {
    let mut log = Log::new();
    log.write_last(5);
    let mut follower = log.follow(Start::End);
    log.poll(&mut follower);
    for (offset, bytes) in [
        (u64::MAX, 0),
        (u64::MAX, 256),
        (3, 0),
        (0, u16::MAX),
        (7, 1),
    ] {
        let mut position = stored(&follower);
        let mark = position.current.as_mut().unwrap();
        (mark.offset, mark.head.bytes) = (offset, bytes);
        position.earlier = vec![*mark; 8];
        position.time = u64::MAX;
        let mut follower = log.follow(Start::Resume(position));
        log.poll(&mut follower);
        log.poll(&mut follower);
    }
    assert_eq!(log.there().len(), 5);
}

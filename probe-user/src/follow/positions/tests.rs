//! What is written is read again, and what is not ours is refused.

use super::*;
use crate::follow::{Head, Mark};
use std::os::unix::fs::MetadataExt;

fn position(offset: u64) -> Position {
    Position {
        current: Some(Mark {
            device: u64::MAX,
            inode: 2,
            offset,
            head: Head {
                bytes: 256,
                hash: u64::MAX - 1,
            },
        }),
        earlier: Vec::new(),
        time: Time::now().0 / 1_000_000,
    }
}

fn open(folder: &Path) -> Positions {
    let (positions, problem) = Positions::open(folder);
    assert!(problem.is_none(), "{problem:?}");
    positions
}

const LOG: &str = "/var/log/nginx/access.log";

#[test]
fn positions_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut positions = open(folder.path());
    let mut rotated = position(7);
    rotated.earlier = vec![rotated.current.unwrap()];
    positions.set("a", "access", Path::new(LOG), position(5));
    positions.set("b", "access", Path::new(LOG), rotated.clone());
    positions.save().unwrap();
    drop(positions);

    let file = folder.path().join(NAME);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let positions = open(folder.path());
    assert_eq!(
        positions
            .get("a", "access", Path::new(LOG))
            .unwrap()
            .current,
        position(5).current
    );
    assert_eq!(positions.get("b", "access", Path::new(LOG)), Some(&rotated));
    assert_eq!(positions.get("c", "access", Path::new(LOG)), None);
}

#[test]
fn the_file_is_written_only_for_a_change_and_not_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(NAME);
    let mut positions = open(folder.path());
    positions.set("a", "access", Path::new(LOG), position(5));
    positions.save_if_due().unwrap();
    assert!(!file.exists());
    positions.written = Instant::now().checked_sub(WRITE_EVERY).unwrap();
    positions.save_if_due().unwrap();
    assert!(file.exists());

    fs::remove_file(&file).unwrap();
    let mut later = position(5);
    later.time += 1;
    positions.set("a", "access", Path::new(LOG), later);
    positions.written = Instant::now().checked_sub(WRITE_EVERY).unwrap();
    positions.save_if_due().unwrap();
    assert!(!file.exists(), "only the time changed");
}

#[test]
fn a_torn_or_strange_file_is_ignored_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(NAME);
    let mut positions = open(folder.path());
    positions.set("a", "access", Path::new(LOG), position(5));
    positions.save().unwrap();
    drop(positions);
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let (positions, problem) = Positions::open(folder.path());
        assert!(positions.logs.is_empty());
        let said = problem.unwrap().to_string();
        assert!(said.contains("positions.json are ignored"), "{said}");
    }
    for text in ["{\"version\":2,\"logs\":[]}", "[[[[", "\0", "null"] {
        fs::write(&file, text).unwrap();
        assert!(Positions::open(folder.path()).1.is_some(), "{text}");
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(Positions::open(folder.path()).1.is_some());
}

#[test]
fn what_was_not_seen_for_long_is_forgotten_and_the_rest_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut positions = open(folder.path());
    let mut old = position(1);
    old.time -= KEEP.as_secs() + 1;
    positions.set("old", "access", Path::new(LOG), old);
    for number in 0..=MAX_LOGS as u64 {
        let mut position = position(number);
        position.time -= u64::from(number == 3);
        positions.set(&number.to_string(), "access", Path::new(LOG), position);
    }
    positions.save().unwrap();
    drop(positions);
    let positions = open(folder.path());
    assert_eq!(positions.logs.len(), MAX_LOGS);
    assert!(positions.get("old", "access", Path::new(LOG)).is_none());
    assert!(positions.get("3", "access", Path::new(LOG)).is_none());
}

#[test]
fn nothing_is_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("positions.json.new")).unwrap();
    open(folder.path()).save().unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    let missing = folder.path().join("none");
    let said = open(&missing).save().unwrap_err().to_string();
    assert!(said.contains("cannot be written"), "{said}");
}

#[test]
fn one_file_is_known_by_each_kind_of_log_that_it_is() {
    let mut positions = Positions::in_memory();
    let at = |of: Option<&Position>| of.unwrap().current.unwrap().offset;
    positions.set("a", "access", Path::new(LOG), position(5));
    positions.set("a", "error", Path::new(LOG), position(7));
    assert_eq!(at(positions.get("a", "access", Path::new(LOG))), 5);
    assert_eq!(at(positions.get("a", "error", Path::new(LOG))), 7);
    assert_eq!(at(positions.of_file("access", u64::MAX, 2)), 5);
    assert_eq!(at(positions.of_file("error", u64::MAX, 2)), 7);
    assert_eq!(positions.of_file("error", 1, 2), None);
}

#[test]
fn the_folder_is_one_agents_until_that_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(folder.path());
    let (mut second, problem) = Positions::open(folder.path());
    let said = problem.unwrap().to_string();
    assert!(
        said.contains("another agent") && said.contains("--state"),
        "{said}"
    );
    first.set("a", "access", Path::new(LOG), position(5));
    first.set("b", "access", Path::new(LOG), position(5));
    first.save().unwrap();
    second.set("a", "access", Path::new(LOG), position(6));
    assert!(matches!(second.save(), Err(PositionsError::Locked { .. })));
    drop(first);
    second.save().unwrap();
    drop(second);
    let third = open(folder.path());
    let offset = |instance| {
        let at = third.get(instance, "access", Path::new(LOG)).unwrap();
        at.current.unwrap().offset
    };
    assert_eq!((offset("a"), offset("b")), (6, 5));
}

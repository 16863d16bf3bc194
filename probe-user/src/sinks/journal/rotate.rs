//! Makes room for a new journal file.
//!
//! Every step is one rename, so whenever the agent is killed each record is in one file, once, and
//! the order of the files is theirs. A step that is missing leaves a gap in the numbers, which the
//! next rotation fills before it drops anything.

use std::{fs, io, path::Path};

use super::names::{self, MOST_KEPT, rotated};

/// Renames `journal` to the first rotated file, and each of those to the next; the one that would
/// be beyond `keep` is dropped. Afterwards there is no file called `journal`.
///
/// # Errors
/// When a step fails. All records are still there, and it may be called again.
pub(super) fn rotate(journal: &Path, keep: u8) -> io::Result<()> {
    drop_beyond(journal, keep)?;
    if keep == 0 {
        return fs::remove_file(journal);
    }
    let is_free = |n: &u8| names::rotated(journal, *n).symlink_metadata().is_err();
    let free = (1..=keep).find(is_free).unwrap_or(keep);
    for n in (1..free).rev() {
        fs::rename(rotated(journal, n), rotated(journal, n + 1))?;
    }
    fs::rename(journal, rotated(journal, 1))
}

/// More were kept once.
fn drop_beyond(journal: &Path, keep: u8) -> io::Result<()> {
    for n in (keep..MOST_KEPT).map(|n| n + 1) {
        match fs::remove_file(rotated(journal, n)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder with these files, each of which holds its own name, and the journal's path.
    fn files(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            fs::write(folder.path().join(name), name).expect("a file");
        }
        let journal = folder.path().join("j");
        (folder, journal)
    }

    /// `name: what it holds` of each file.
    fn held(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("its files");
        let mut held: Vec<_> = entries
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                format!("{name}: {}", fs::read_to_string(&path).expect("its text"))
            })
            .collect();
        held.sort();
        held
    }

    #[test]
    fn each_becomes_the_next_and_the_last_goes() {
        let (folder, journal) = files(&["j", "j.1", "j.2", "j.3", "j.20260102", "j.lock"]);
        rotate(&journal, 3).expect("rotated");
        let others = ["j.20260102: j.20260102", "j.lock: j.lock"];
        let mut expected = vec!["j.1: j", "j.2: j.1", "j.3: j.2"];
        expected.splice(2..2, [others[0]]);
        expected.push(others[1]);
        expected.sort_unstable();
        assert_eq!(held(folder.path()), expected);
    }

    #[test]
    fn a_gap_is_filled_before_anything_is_dropped() {
        // Killed after 3 → 4 and 2 → 3, before 1 → 2.
        let (folder, journal) = files(&["j", "j.1", "j.3", "j.4"]);
        rotate(&journal, 4).expect("rotated");
        assert_eq!(
            held(folder.path()),
            ["j.1: j", "j.2: j.1", "j.3: j.3", "j.4: j.4"]
        );
        // Killed before the last step.
        let (folder, journal) = files(&["j", "j.2", "j.3"]);
        rotate(&journal, 4).expect("rotated");
        assert_eq!(held(folder.path()), ["j.1: j", "j.2: j.2", "j.3: j.3"]);
    }

    #[test]
    fn fewer_may_be_kept_than_before_and_none_at_all() {
        let (folder, journal) = files(&["j", "j.1", "j.2", "j.3", "j.9"]);
        rotate(&journal, 2).expect("rotated");
        assert_eq!(held(folder.path()), ["j.1: j", "j.2: j.1"]);
        fs::write(&journal, "j").expect("a file");
        rotate(&journal, 0).expect("dropped");
        assert_eq!(held(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn a_step_that_fails_loses_nothing() {
        let (folder, journal) = files(&["j", "j.1"]);
        fs::create_dir(folder.path().join("j.2")).expect("a folder in the way");
        fs::write(folder.path().join("j.2/x"), "").expect("not empty");
        assert!(rotate(&journal, 2).is_err());
        for name in ["j", "j.1"] {
            let text = fs::read_to_string(folder.path().join(name)).expect("still there");
            assert_eq!(text, name);
        }
    }
}

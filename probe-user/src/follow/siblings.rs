//! What became of a log's earlier files: found again beside it under the names that rotation gives.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::mark::{MAX_EARLIER, Mark};
use super::tail::{MAX_BACKLOG, MAX_READ, Tail, identity_of};
use crate::rooted::Root;

/// Names that are looked through in the log's folder.
const MAX_NAMES: usize = 4096;

/// Files that are opened to see whether they are earlier ones.
const MAX_OPENED: usize = 32;

/// Looks at a folder in which files are being renamed, before what was seen is taken as it is.
const MAX_LOOKS: usize = 8;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Search<'a> {
    /// The file whose rest is wanted: it was renamed, or copied and truncated.
    pub wanted: Option<Mark>,
    /// How the wanted file began, where that is known in full: a copy of a short one may be shorter
    /// still, when lines were written between the copy and the truncation.
    pub began: &'a [u8],
    /// Files that were read already, as far as they were.
    pub known: &'a [Mark],
    /// Files that were written since, in seconds since 1970, and are not known, came between the
    /// wanted one and the one at the path.
    pub since: i64,
    /// A known file that was written or renamed since is given though all of it was read: there
    /// may be more to come. In seconds since 1970.
    pub recent: i64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files with something unread, oldest first, each at its first unread line.
    pub tails: Vec<Tail>,
    /// The wanted file is among those that were looked at.
    pub wanted: bool,
    /// Compressed files that were written since: what they hold cannot be told.
    pub compressed: u64,
    /// Bytes of files that are too many or too large to be read.
    pub skipped_bytes: u64,
}

/// Looks through the folder of the log at `path` in `root`.
///
/// `live` gives how the file now at the path begins: a copy of it is none of the earlier ones. It is
/// asked after the folder was looked through, so that what was being copied then is known.
pub(super) fn find(
    root: &Root,
    path: &Path,
    search: &Search,
    live: impl FnOnce() -> Option<Vec<u8>>,
) -> Found {
    let Candidates {
        mut files,
        compressed,
    } = candidates(root, path);
    let live = live().unwrap_or_default();
    let mut found = Found {
        compressed: compressed
            .into_iter()
            .filter(|modified| *modified >= search.since)
            .count()
            .try_into()
            .unwrap_or(u64::MAX),
        ..Found::default()
    };
    let best = search
        .wanted
        .and_then(|wanted| best(&files, &wanted, search.began));
    found.wanted = best.is_some();
    let mut budget = MAX_BACKLOG;
    let mut tails = Vec::new();
    for (index, file) in files.iter_mut().enumerate() {
        let tail = &mut file.tail;
        let size = tail.size();
        let fits = |mark: &Mark| mark.is_of(tail.identity(), tail.head());
        let itself = |mark: &&Mark| mark.inode == tail.identity().1 && fits(mark);
        let mark = search.wanted.filter(|_| best == Some(index));
        let mark = mark.or_else(|| search.known.iter().find(itself).copied());
        // More may come: workers may have the file open, be it empty.
        let going_on = mark.is_none_or(|mark| {
            best == Some(index) || itself(&&mark) && file.changed >= search.recent
        });
        let offset = if let Some(mark) = mark {
            mark.offset
        } else if search.wanted.iter().chain(search.known).any(fits)
            || begin_alike(tail.head(), &live)
            || !file.rotated
            || file.modified < search.since
        {
            // A copy, or none of ours.
            continue;
        } else {
            0
        };
        let unread = size.saturating_sub(offset);
        if unread == 0 && !going_on {
            continue;
        }
        if tails.len() >= MAX_EARLIER || budget < unread.min(MAX_READ) {
            found.skipped_bytes += unread;
            continue;
        }
        budget = budget.saturating_sub(unread);
        tail.go_to(offset);
        tails.push(index);
    }
    found.tails = files
        .into_iter()
        .enumerate()
        .filter(|(index, _)| tails.contains(index))
        .map(|(_, file)| file.tail)
        .collect();
    found.tails.reverse();
    found
}

/// The rotated files that are there now, as read to their ends: none of them counts later.
pub(super) fn present(root: &Root, path: &Path) -> Vec<Mark> {
    let mut marks: Vec<Mark> = candidates(root, path)
        .files
        .into_iter()
        .take(MAX_EARLIER)
        .map(|mut file| {
            file.tail.go_to(u64::MAX);
            file.tail.mark()
        })
        .collect();
    marks.reverse();
    marks
}

#[derive(Default)]
struct Candidates {
    /// Newest first.
    files: Vec<Candidate>,
    /// When each compressed file was written.
    compressed: Vec<i64>,
}

struct Candidate {
    name: OsString,
    tail: Tail,
    /// Named as rotation names files.
    rotated: bool,
    modified: i64,
    /// When it was last written, renamed or deleted.
    changed: i64,
}

/// Files whose names begin like the log's.
///
/// A rotation renames one file after the other, and one that has moved behind the look would be
/// missed: the folder is looked through again until it was the same before and after.
fn candidates(root: &Root, path: &Path) -> Candidates {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Candidates::default();
    };
    let mut names = names_of(root, folder, name);
    let mut looks = 0;
    loop {
        let candidates = open_all(root, folder, name, &names);
        looks += 1;
        let now = names_of(root, folder, name);
        let is_where_it_was = |file: &Candidate| {
            let stat = root.stat(&folder.join(&file.name));
            stat.is_ok_and(|stat| identity_of(&stat) == file.tail.identity())
        };
        if looks == MAX_LOOKS || now == names && candidates.files.iter().all(is_where_it_was) {
            return candidates;
        }
        names = now;
    }
}

fn names_of(root: &Root, folder: &Path, log: &OsStr) -> Vec<OsString> {
    // The next look may succeed; what is missed is counted by the caller.
    let mut names = root.read_dir(folder, MAX_NAMES).unwrap_or_default();
    names.retain(|sibling| sibling != log && Kind::of(log, sibling).is_some());
    names.sort_unstable();
    names
}

fn open_all(root: &Root, folder: &Path, log: &OsStr, names: &[OsString]) -> Candidates {
    let mut stats: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let stat = root.stat(&folder.join(name)).ok()?;
            let modified = (stat.st_mtime, stat.st_mtime_nsec);
            Some((modified, age_of(name), stat.st_ctime, name))
        })
        .collect();
    stats.sort_by(|a, b| b.cmp(a));
    let mut candidates = Candidates::default();
    for ((modified, _), _, changed, name) in stats {
        let kind = Kind::of(log, name);
        if kind == Some(Kind::Compressed) {
            candidates.compressed.push(modified);
        } else if candidates.files.len() < MAX_OPENED
            && let Ok(tail) = Tail::open(root, &folder.join(name))
        {
            candidates.files.push(Candidate {
                name: name.clone(),
                tail,
                rotated: kind == Some(Kind::Rotated),
                modified,
                changed,
            });
        }
    }
    candidates
}

/// Which of the files goes on where `wanted` ends, by preference the very file and not a copy.
fn best(files: &[Candidate], wanted: &Mark, began: &[u8]) -> Option<usize> {
    let fitting = |file: &Candidate| {
        let tail = &file.tail;
        wanted.is_of(tail.identity(), tail.head()) || begin_alike(tail.head(), began)
    };
    files
        .iter()
        .position(|file| fitting(file) && file.tail.identity().1 == wanted.inode)
        .or_else(|| files.iter().position(fitting))
}

/// Whether both hold something, and one begins with all of the other.
pub(super) fn begin_alike(a: &[u8], b: &[u8]) -> bool {
    let length = a.len().min(b.len());
    length > 0 && a.get(..length) == b.get(..length)
}

/// What the name of a file beside a log says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `access.log.1`, `access.log-20260131`, `access-2026-01-31.log`.
    Rotated,
    /// The same with `.gz` or another such ending.
    Compressed,
    /// It begins with the log's name and goes on otherwise: `access.log.old`, or another log.
    Other,
}

impl Kind {
    /// `None` when the name has nothing to do with the log's.
    fn of(log: &OsStr, name: &OsStr) -> Option<Self> {
        const ENDINGS: [&[u8]; 6] = [b".gz", b".bz2", b".xz", b".zst", b".lz4", b".Z"];
        let (log, name) = (log.as_bytes(), name.as_bytes());
        let plain = ENDINGS.iter().find_map(|ending| name.strip_suffix(*ending));
        let stem = plain.unwrap_or(name);
        let dated = |middle: &[u8]| {
            matches!(middle, [b'.' | b'-' | b'_', rest @ ..]
                if rest.iter().any(u8::is_ascii_digit)
                    && rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'T')))
        };
        let behind = stem.strip_prefix(log);
        // logrotate's `extension` keeps the ending: access.log becomes access-20260131.log.
        let inside = log.iter().rposition(|&byte| byte == b'.').and_then(|dot| {
            let (begin, ending) = log.split_at_checked(dot)?;
            stem.strip_prefix(begin)?.strip_suffix(ending)
        });
        if behind.or(inside).is_some_and(dated) || inside.is_some_and(dated) {
            return Some(if plain.is_some() {
                Self::Compressed
            } else {
                Self::Rotated
            });
        }
        (behind.is_some() && plain.is_none()).then_some(Self::Other)
    }
}

/// For files that were modified in the same instant: less is older. `.2` is older than `.1`, and
/// dated names are in order as they are.
fn age_of(name: &OsStr) -> (std::cmp::Reverse<u64>, Vec<u8>) {
    let name = name.as_bytes();
    let number = name
        .rsplit(|&byte| byte == b'.')
        .next()
        .filter(|last| last.len() < 5)
        .and_then(|last| std::str::from_utf8(last).ok()?.parse().ok());
    (std::cmp::Reverse(number.unwrap_or(0)), name.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_rotated_files_from_other_logs() {
        for (name, kind) in [
            ("access.log.1", Some(Kind::Rotated)),
            ("access.log-20260131", Some(Kind::Rotated)),
            ("access.log-20260131-1769817601", Some(Kind::Rotated)),
            ("access.log.2026-01-31T10:00", Some(Kind::Rotated)),
            ("access-20260131.log", Some(Kind::Rotated)),
            ("access.1.log", Some(Kind::Rotated)),
            ("access.log.2.gz", Some(Kind::Compressed)),
            ("access-20260131.log.zst", Some(Kind::Compressed)),
            ("access.log.old", Some(Kind::Other)),
            ("access.log_ssl", Some(Kind::Other)),
            ("access.log.", Some(Kind::Other)),
            ("access.logger.gz", None),
            ("access-api.log", None),
            ("error.log.1", None),
        ] {
            assert_eq!(
                Kind::of(OsStr::new("access.log"), OsStr::new(name)),
                kind,
                "{name}"
            );
        }
        assert_eq!(
            Kind::of(OsStr::new("log"), OsStr::new("log.1")),
            Some(Kind::Rotated)
        );
    }

    #[test]
    fn names_of_one_instant_are_in_order() {
        let mut names = ["log.1", "log.10", "log.2"];
        names.sort_by_key(|name| age_of(OsStr::new(name)));
        assert_eq!(names, ["log.10", "log.2", "log.1"]);
        let mut dated = ["log-20260201", "log-20260131"];
        dated.sort_by_key(|name| age_of(OsStr::new(name)));
        assert_eq!(dated, ["log-20260131", "log-20260201"]);
    }
}

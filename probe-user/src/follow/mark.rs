//! How far a log was read, in a form that outlives the process.

use serde::{Deserialize, Serialize};

/// Bytes of a file's beginning by which it is known again: more than one access-log line, and so
/// more than one time stamp, in most logs.
pub(super) const HEAD: usize = 256;

/// Earlier files of one log that are remembered.
pub(super) const MAX_EARLIER: usize = 8;

/// How far one log was read: what [`Start::Resume`](super::Start) goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The file at the log's path; `None` while there was none.
    pub current: Option<Mark>,
    /// Files that had the path before, oldest first, at most eight.
    #[serde(default)]
    pub earlier: Vec<Mark>,
    /// When that was so, in seconds since 1970.
    pub time: u64,
}

/// How far one file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The device it is on.
    pub device: u64,
    /// Its inode, which another file may get once this one is deleted.
    pub inode: u64,
    /// Bytes before the first line that was not given yet.
    pub offset: u64,
    /// Its first bytes.
    pub head: Head,
}

/// A fingerprint of a file's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many bytes it is of: 256, or the whole lines of a file that had fewer.
    pub bytes: u16,
    /// Their FNV-1a hash. It tells files apart, it keeps no secret and stops no forger.
    pub hash: u64,
}

impl Head {
    /// The fingerprint of a file that begins with `start`.
    pub(super) fn of(start: &[u8]) -> Self {
        let start = start.get(..HEAD).unwrap_or(start);
        Self {
            bytes: u16::try_from(start.len()).unwrap_or(0),
            hash: fnv1a(start),
        }
    }

    /// Whether a file that begins with `start` can be the one this was taken of. An empty
    /// fingerprint fits every file.
    pub(super) fn fits(self, start: &[u8]) -> bool {
        start
            .get(..usize::from(self.bytes))
            .is_some_and(|start| fnv1a(start) == self.hash)
    }
}

impl Mark {
    /// Whether this is of the file with that identity and beginning, under whatever name, or of
    /// one that it is a copy of.
    pub(super) fn is_of(&self, identity: (u64, u64), start: &[u8]) -> bool {
        if self.head.bytes == 0 {
            // Nothing else tells an empty file from another.
            return (self.device, self.inode) == identity;
        }
        // Device numbers change from boot to boot: the beginning says more.
        self.head.fits(start)
    }

    /// [`Mark::is_of`], and the file is long enough to go on in.
    pub(super) fn fits(&self, identity: (u64, u64), size: u64, start: &[u8]) -> bool {
        size >= self.offset && self.is_of(identity, start)
    }
}

/// Fowler, Noll and Vo's hash, whose values stay the same from release to release.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_file_is_known_again_by_how_it_begins() {
        let long = [b'x'; 300];
        let head = Head::of(&long);
        assert_eq!(head.bytes, 256);
        assert!(head.fits(&long) && head.fits(&long[..256]));
        assert!(!head.fits(&long[..255]) && !head.fits(&[b'y'; 256]));
        let short = Head::of(b"GET");
        assert!(short.fits(b"GET") && short.fits(b"GET /") && !short.fits(b"GE"));
    }

    #[test]
    fn a_reused_inode_is_not_taken_for_the_file() {
        let head = Head::of(b"old log");
        let mark = Mark {
            device: 1,
            inode: 2,
            offset: 7,
            head,
        };
        assert!(mark.fits((1, 2), 7, b"old log"));
        assert!(mark.fits((9, 3), 70, b"old log and more"), "a copy");
        assert!(!mark.fits((1, 2), 70, b"new log and more"));
        assert!(!mark.fits((1, 2), 6, b"old log"), "it became shorter");
        let empty = Mark {
            head: Head::of(b""),
            offset: 0,
            ..mark
        };
        assert!(empty.fits((1, 2), 9, b"anything") && !empty.fits((1, 3), 9, b"anything"));
    }
}

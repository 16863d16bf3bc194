//! What a look at a log gave.

use std::io;
use std::path::{Path, PathBuf};

use super::tail::Tally;
use crate::rooted::OpenError;

/// What one [`Follower::poll`](super::Follower::poll) did.
#[derive(Debug, Default)]
pub struct Progress {
    /// What was read.
    pub read: Tally,
    /// New files that took the path since the last poll.
    pub rotations: u64,
    /// Files whose unread part, if any, was not found: compressed since, moved elsewhere, or
    /// truncated without a copy. How many bytes they had is not known.
    pub gaps: u64,
    /// There is more to read now; poll again without waiting.
    pub more: bool,
    /// Why the file that is now at the path cannot be read, while an earlier one still is.
    /// [`OpenError::Missing`] is what a rotation looks like before nginx reopens its logs.
    pub path_problem: Option<OpenError>,
}

/// Why nothing could be read. The next poll tries again.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// There is no file that could be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file is open but cannot be read.
    #[error("{} could not be read: {source}", .path.display())]
    Read {
        /// The path of the log.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl FollowError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}

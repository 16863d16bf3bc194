//! nginx's access logs: following the files, and reading their lines.

pub mod combined;
pub mod follow;
mod tail;

pub use combined::Combined;
pub use follow::{FollowError, Follower, Progress};
pub use tail::{MAX_LINE, Tally};

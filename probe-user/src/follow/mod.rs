//! Following log files, access logs and error logs alike: every whole line once, in order, through
//! rotation in all its ways and through restarts of the agent.
//!
//! A [`Follower`] reads one log. [`Followers`] holds many, reads a file that several paths lead to
//! once, knows when each is to be looked at, and has the kernel tell it of writes. [`Positions`] keeps how far each was read.
//!
//! ```no_run
//! # use nginx_probe::follow::{FollowError, Follower, Followers, Positions, Progress, Reader, Start};
//! # use nginx_probe::rooted::Root;
//! # use std::{path::Path, sync::Arc};
//! struct Sources {
//!     positions: Positions,
//! }
//!
//! impl Reader<&'static str> for Sources {
//!     fn line(&mut self, instance: &&'static str, line: &[u8]) {
//!         // Parse and count it.
//!     }
//!
//!     fn polled(
//!         &mut self,
//!         instance: &&'static str,
//!         log: &Follower,
//!         result: Result<Progress, FollowError>,
//!     ) {
//!         // Say what is wrong once, count what was lost, and:
//!         if let Some(position) = log.position() {
//!             self.positions.set(instance, "access", log.path(), position);
//!         }
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (positions, problem) = Positions::open(Path::new("/var/lib/nginx-probe"));
//! let mut sources = Sources { positions };
//! let mut logs = Followers::new();
//! let (root, path) = (Arc::new(Root::at(Path::new("/"))?), Path::new("/var/log/nginx/access.log"));
//! let start = sources.positions.get("nginx", "access", path).cloned();
//! let start = start.map_or(Start::End, Start::Resume);
//! let follower = Follower::new(root, path.to_owned(), start);
//! logs.insert("nginx", follower);
//! loop {
//!     tokio::select! {
//!         () = logs.wait() => logs.poll(&mut sources),
//!         _ = tokio::signal::ctrl_c() => break,
//!     }
//!     for notice in logs.take_notices() {
//!         log::warn!("{notice}");
//!     }
//!     sources.positions.save_if_due()?;
//! }
//! logs.poll_all(&mut sources);
//! sources.positions.save()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is not exact
//! - Lines that copytruncate loses itself, between its copy and its truncation, come or do not.
//! - A truncation without a copy beside the log, and a file that was compressed or moved to another
//!   folder while the agent was away: counted in [`Progress::gaps`], bytes unknown.
//! - Workers that write to a renamed file more than ten seconds after its last line: those lines
//!   come with the next rotation, or not at all when the file is gone by then.
//! - Files are told apart by their first 256 bytes. Logs without any time in their lines, whose
//!   first 256 bytes are the same after every truncation, can outgrow their earlier size unnoticed.
//! - Positions are written once a second, so that a busy log costs no write to the disk with every
//!   look: lines of the last second before a SIGKILL come again after the restart. Counters begin at
//!   zero then, and Prometheus had seen only what came before its last scrape.
//! - A restart between the two steps of a copytruncate, with less than 256 bytes in the log,
//!   repeats the lines of the copy.

mod follower;
mod followers;
mod mark;
mod positions;
mod progress;
mod siblings;
mod tail;
mod watcher;

pub use follower::{Follower, Start};
pub use followers::{Followers, Reader};
pub use mark::{Head, Mark, Position};
pub use positions::{Positions, PositionsError};
pub use progress::{FollowError, Progress};
pub use tail::{Buffer, MAX_LINE, Tally};
pub use watcher::{Fired, Refused, Watch, Watcher};

#[cfg(test)]
mod tests;

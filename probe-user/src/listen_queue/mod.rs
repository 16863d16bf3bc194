//! How many connections wait in nginx's listen queues, and what the kernel dropped because one was
//! full.
//!
//! What an nginx listens on is among its master's descriptors; the queues are asked for by
//! `sock_diag` in the namespace of each nginx, in a thread of its own. A queue that overflows between
//! two passes is known by the drops that the kernel counts of each listening socket.

mod dump;
pub(crate) mod namespace;
mod overflows;
mod pass;

use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use serde::{Deserialize, Serialize};

pub use self::{
    dump::{Listening, SocketFile, listening},
    pass::{Pass, Report},
};
use crate::{
    facts::Instance,
    privileges::{self, Needs},
};

/// An nginx whose listeners are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub instance: Instance,
    /// Processes that have its listeners open: its masters, or a worker when there is none.
    pub pids: Vec<u32>,
}

/// All sockets of an nginx that listen on one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Which nginx.
    pub instance: Instance,
    /// `ADDRESS:PORT` or `unix:PATH`.
    pub name: String,
    /// Connections that wait to be accepted, in all its sockets.
    pub length: u64,
    /// How many may wait in each socket.
    pub limit: u64,
}

/// A queue had no room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    /// The listener.
    pub listener: Listener,
    /// Tries to connect that were dropped since the last pass; zero when it was only seen full, in two
    /// passes in a row.
    pub dropped: u64,
}

/// The thread that looks.
#[derive(Debug)]
pub struct Watcher {
    aim: SyncSender<Vec<Target>>,
    reports: Receiver<Report>,
}

/// Starts a thread that looks each time it is told to, and has no more than it `needs`.
///
/// # Errors
/// When no thread can be started.
pub fn start(proc_root: &Path, needs: Needs<'static>) -> std::io::Result<Watcher> {
    let (aim, targets) = sync_channel::<Vec<Target>>(1);
    let (send, reports) = sync_channel(1);
    let proc_root = proc_root.to_owned();
    privileges::spawn("listen_queue", needs, move || {
        let mut pass = Pass::new(&proc_root);
        for targets in targets {
            let report = pass.look(&targets);
            let end = report.stranded;
            if send.send(report).is_err() || end {
                return;
            }
        }
    })?;
    Ok(Watcher { aim, reports })
}

impl Watcher {
    /// Begins a pass over these, unless one is still under way.
    pub fn look(&self, targets: Vec<Target>) {
        // A full channel: the next one will do.
        let _ = self.aim.try_send(targets);
    }

    /// What the last pass saw, once.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

#[cfg(test)]
mod tests;

//! The local programs behind nginx: which processes they are, and their ends.
//!
//! An upstream's address on this host belongs to a listening socket, and that socket to processes:
//! php-fpm, uWSGI, gunicorn, node. A thread of its own finds them ([`Pass`]); the kernel half then
//! follows them and what they fork, and tells how they end ([`Table`]).

mod address;
mod deaths;
mod pass;
mod planned;
mod scan;
mod table;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use self::{
    address::{Address, of_settings},
    pass::Pass,
    scan::{Group, Member},
    table::{Table, Track},
};
use crate::{
    facts::{Crash, Instance, Memory, Reason, Sender},
    names::{self, Name},
    privileges::{self, Needs},
};

/// Processes of one nginx's backends that are followed one by one.
pub const MAX_PROCESSES: usize = 512;

/// An nginx, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub instance: Instance,
    /// Its master, or a worker when there is none.
    pub pid: u32,
    /// Addresses of its upstreams.
    pub addresses: Vec<Address>,
}

/// What the thread is to look at.
#[derive(Clone, Debug)]
pub struct Order {
    /// Every nginx.
    pub targets: Vec<Target>,
    /// Look at all processes, even if the same sockets listen as the last time.
    pub all: bool,
}

/// What one pass saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The programs behind nginx; nothing when no process was looked at.
    pub groups: Option<Vec<Group>>,
    /// Processes that were not taken up, because there are too many.
    pub left_out: usize,
    /// Whose sockets could not be looked at, and why.
    pub problems: Vec<(Instance, String)>,
    /// The thread cannot go on.
    pub stranded: bool,
}

/// A program listens at an upstream's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendServes {
    /// The address, as answers name it.
    pub key: Arc<str>,
}

/// A process of a program behind nginx ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendExit {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// The name of the program, control bytes escaped.
    pub backend: String,
    /// Where it is reached: `ip:port` or `unix:path`, several with `, ` between.
    pub address: String,
    /// Why.
    pub reason: Reason,
    /// The signal's name, when one ended it.
    #[serde(deserialize_with = "names::optional")]
    pub signal: Option<Name>,
    /// The exit code, when no signal ended it.
    pub exit_code: Option<u8>,
    /// Whether the kernel wrote a core file.
    pub core_dumped: bool,
    /// Who sent the signal, when a process did.
    pub sender: Option<Sender>,
    /// What the OOM killer saw.
    pub memory: Option<Memory>,
    /// Where it crashed.
    pub crash: Option<Crash>,
    /// Ends at the same address just before that have no record of their own: there were too many.
    pub omitted: u64,
    /// Its addresses, as answers name them.
    #[serde(skip)]
    pub keys: Vec<Arc<str>>,
    /// It is the process that the others descend from.
    #[serde(skip)]
    pub leader: bool,
}

/// The thread that looks.
#[derive(Debug)]
pub struct Watcher {
    orders: SyncSender<Order>,
    reports: Receiver<Report>,
}

/// Starts a thread that looks each time it is told to, at everything but processes of these names.
/// It calls `begin` first.
///
/// # Errors
/// When no thread can be started.
pub fn start(
    proc_root: &Path,
    names: Vec<String>,
    needs: Needs<'static>,
) -> std::io::Result<Watcher> {
    let (orders, ordered) = sync_channel::<Order>(1);
    let (send, reports) = sync_channel(1);
    let mut pass = Pass::new(proc_root, names);
    privileges::spawn("backends", needs, move || {
        for order in ordered {
            let report = pass.look(&order);
            let end = report.stranded;
            if send.send(report).is_err() || end {
                return;
            }
        }
    })?;
    Ok(Watcher { orders, reports })
}

impl Watcher {
    /// Begins a pass; `false` when one is still under way.
    #[must_use]
    pub fn look(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }

    /// What the last pass saw, once; waits for it so long.
    #[must_use]
    pub fn report(&self, wait: Duration) -> Option<Report> {
        self.reports.recv_timeout(wait).ok()
    }
}

//! Containers: their root folders, crun that runs them, the agent as a pod, and an nginx beside it.

pub mod crun;
pub mod nginx;
pub mod pod;
pub mod proof;
pub mod root;

use std::fs::File;
use std::os::fd::AsFd as _;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Does `work` in the network namespace of a process.
pub fn in_network_of<T: Send>(pid: u32, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))
        .with_context(|| format!("opening the network namespace of {pid}"))?;
    // Namespaces are a thread's own.
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("entering the network namespace of {pid}"))?;
            work()
        });
        thread
            .join()
            .map_err(|_| anyhow!("the thread in another network namespace panicked"))?
    })
}

//! Network namespaces: which one a process has, and being there for a moment.

use std::{fs, fs::File, io, os::fd::AsFd as _, os::unix::fs::MetadataExt as _, path::Path};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Tells a network namespace from every other that exists at the same time: the device and the inode
/// of `/proc/PID/ns/net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(u64, u64);

impl Namespace {
    /// That of process `pid`.
    ///
    /// # Errors
    /// When the process is gone, or is not ours to look at (`CAP_SYS_PTRACE`).
    pub fn of(proc_root: &Path, pid: u32) -> io::Result<Self> {
        Self::at(&proc_root.join(pid.to_string()).join("ns/net"))
    }

    /// That of the calling thread.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn own(proc_root: &Path) -> io::Result<Self> {
        Self::at(&proc_root.join("thread-self/ns/net"))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let namespace = fs::metadata(path)?;
        Ok(Self(namespace.dev(), namespace.ino()))
    }
}

/// Runs `look` in the network namespace of process `pid`, and comes back. Only the calling thread
/// moves.
///
/// # Errors
/// When the namespace cannot be entered: it takes `CAP_SYS_ADMIN`. When the thread cannot come back it
/// must not be used any more, which [`Stranded`] says.
pub fn within<T>(
    proc_root: &Path,
    pid: u32,
    look: impl FnOnce() -> T,
) -> Result<T, Result<io::Error, Stranded>> {
    let open = |path| File::open(path).map_err(Ok);
    let home = open(proc_root.join("thread-self/ns/net"))?;
    let there = open(proc_root.join(pid.to_string()).join("ns/net"))?;
    let enter = |namespace: &File| {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(io::Error::from)
    };
    enter(&there).map_err(Ok)?;
    let seen = look();
    enter(&home).map_err(|error| Err(Stranded(error)))?;
    Ok(seen)
}

/// The thread is in another network namespace and cannot leave it.
#[derive(Debug)]
pub struct Stranded(pub io::Error);

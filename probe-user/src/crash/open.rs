//! Opens the file behind a mapping, for reading, through a process that may still hold it.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::mappings::{Mapping, Mappings};
use crate::rooted::Root;

/// Processes tried; the master and a few workers share every file.
const MAX_PROCESSES: usize = 8;

/// What tells one state of a file from another: size, modification and change time. Inode numbers
/// are used again, and a file may be overwritten in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u64, (i64, i64), (i64, i64));

impl From<Metadata> for Stamp {
    fn from(meta: Metadata) -> Self {
        Self(
            meta.size(),
            (meta.mtime(), meta.mtime_nsec()),
            (meta.ctime(), meta.ctime_nsec()),
        )
    }
}

/// The stamp of a mapped file, from the first process that still has a file mapped there.
pub(super) fn stamp(proc_root: &Path, pids: &[u32], mapping: &Mapping) -> Option<Stamp> {
    pids.iter()
        .take(MAX_PROCESSES)
        .find_map(|&pid| fs::metadata(map_files(proc_root, pid, mapping)).ok())
        .map(Stamp::from)
}

/// Opens the file of a mapping.
///
/// `/proc/PID/map_files` gives exactly the mapped file, deleted or not, whatever the mount
/// namespace; it needs `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`. Without it the path is looked
/// up below the process's root, where it may by now be another file.
pub(super) fn open(proc_root: &Path, pids: &[u32], mapping: &Mapping) -> Option<(File, Stamp)> {
    let pids = pids.get(..MAX_PROCESSES).unwrap_or(pids);
    // The number may have gone to another process, so its mapping is compared first.
    let holds = |pid: u32| {
        Mappings::read(proc_root, pid).is_ok_and(|now| now.find(mapping.start) == Some(mapping))
    };
    let exact = |&pid: &u32| {
        if !holds(pid) {
            return None;
        }
        open_regular(rustix::fs::open(
            map_files(proc_root, pid, mapping),
            FLAGS,
            Mode::empty(),
        ))
        .ok()
    };
    let by_path = |&pid: &u32| {
        let root = Root::of_process(proc_root, pid).ok()?;
        let (file, meta) = regular(root.open(mapping.path().as_ref()).ok()?).ok()?;
        is_mapped_file(mapping, &meta).then_some((file, meta))
    };
    let (file, meta) = pids
        .iter()
        .find_map(exact)
        .or_else(|| pids.iter().find_map(by_path))?;
    Some((file, meta.into()))
}

/// Never waits (for a FIFO's writer) and never becomes a controlling terminal.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

fn open_regular(opened: rustix::io::Result<rustix::fd::OwnedFd>) -> io::Result<(File, Metadata)> {
    regular(File::from(opened?))
}

fn regular(file: File) -> io::Result<(File, Metadata)> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    Ok((file, meta))
}

fn map_files(proc_root: &Path, pid: u32, mapping: &Mapping) -> PathBuf {
    let name = OsString::from(format!("{:x}-{:x}", mapping.start, mapping.end));
    proc_root.join(pid.to_string()).join("map_files").join(name)
}

/// Whether a file found by its path is the mapped one.
///
/// The kernel shows the device of the file system underneath; overlayfs and btrfs give stat(2)
/// an anonymous one (major number 0), which cannot be compared.
fn is_mapped_file(mapping: &Mapping, meta: &Metadata) -> bool {
    let device = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    meta.ino() == mapping.inode
        && (device == mapping.device || device.0 == 0)
        && meta.size() > mapping.offset
}

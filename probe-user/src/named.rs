//! Files that options name, looked for where whoever gave the options sees them.
//!
//! In a systemd sandbox (`ProtectHome`, `PrivateTmp`) the agent has other folders at some paths than
//! the host has. There the first process's root is the one that is meant. In a container, whose root
//! is another file system, paths are meant as the container has them.

use std::{
    fs, io,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{self, Path},
};

use rustix::fs::Stat;

use crate::rooted::{OpenError, Root};

/// The most that a pid file is read, in bytes.
const MAX_PID_FILE: u64 = 32;

/// The root folder in which files are meant that options name.
///
/// # Errors
/// When not even the agent's own root can be opened.
pub fn root(proc_root: &Path) -> io::Result<Root> {
    let own = fs::metadata("/")?;
    let host = proc_root.join("1/root");
    // The same folder, whatever is mounted below it in either. Where the first process cannot be
    // looked into, the agent's own view is all there is.
    let same = |host: &fs::Metadata| (host.dev(), host.ino()) == (own.dev(), own.ino());
    if fs::metadata(&host).is_ok_and(|host| same(&host))
        && let Ok(root) = Root::of_process(proc_root, 1)
    {
        return Ok(root);
    }
    Root::at(Path::new("/"))
}

/// The process id that a pid file holds; nothing when there is none in it.
///
/// # Errors
/// When the file cannot be opened.
pub fn pid_in(proc_root: &Path, file: &Path) -> Result<Option<u32>, OpenError> {
    let failed = |source| OpenError::Io {
        path: file.to_owned(),
        source,
    };
    let root = root(proc_root).map_err(failed)?;
    let (file, _) = root.open_regular(&path::absolute(file).map_err(failed)?)?;
    let mut text = String::new();
    // Anything but a number is as good as nothing.
    let _ = file.take(MAX_PID_FILE).read_to_string(&mut text);
    Ok(text.trim().parse().ok())
}

/// The state of a file that an option names, if it is there.
#[must_use]
pub fn stat(proc_root: &Path, file: &Path) -> Option<Stat> {
    let root = root(proc_root).ok()?;
    root.stat(&path::absolute(file).ok()?).ok()
}

//! Opens files inside another process's root folder, as that process would.
//!
//! Configuration and logs of a containerised nginx live behind `/proc/PID/root`. A plain open of
//! `/proc/PID/root/etc/nginx/nginx.conf` follows absolute links out of the container and into the
//! agent's own files. [`Root`] has the kernel resolve every link inside the root (`openat2`, Linux
//! 5.6), and refuses the links that `/proc` makes: `/var/log/nginx/access.log -> /dev/stdout`
//! would otherwise lead to the agent's own standard output. Where a sandbox refuses `openat2`
//! (`RestrictSUIDSGID=` of systemd does) the same is done name by name.

mod error;
mod walk;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

pub use self::error::{FileKind, OpenError};

/// How often a lookup that raced with a rename is tried again.
///
/// The kernel gives `EAGAIN` when a path with `..` is resolved while anything is being renamed.
const LOOKUP_ATTEMPTS: usize = 32;

/// How many links are followed to explain why a file could not be opened.
const EXPLAINED_LINKS: usize = 8;

/// The root folder of a process, or any folder that stands for one.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    way: Way,
}

/// Who resolves paths inside a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The kernel, by `openat2`.
    Kernel,
    /// The agent, name by name.
    Walk,
}

impl Root {
    /// The root of process `pid` as seen through the proc file system at `proc_root` (`/proc`).
    ///
    /// # Errors
    /// The process is gone, or the agent may not look at it (it needs `CAP_SYS_PTRACE`).
    pub fn of_process(proc_root: &Path, pid: u32) -> io::Result<Self> {
        Self::at(&proc_root.join(pid.to_string()).join("root"))
    }

    /// The folder at `path`, as seen by the agent.
    ///
    /// # Errors
    /// `path` is no folder, or may not be entered.
    pub fn at(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())?;
        let way = Way::of(&fd);
        Ok(Self { fd, way })
    }

    /// The folder at `path` as a root of its own: no link in it leads out of it.
    ///
    /// # Errors
    /// As [`Root::open_regular`]; a `path` that is no folder gives [`OpenError::NotAFile`].
    pub fn below(&self, path: &Path) -> Result<Self, OpenError> {
        let fd = self.find(path)?;
        let stat = fs::fstat(&fd).map_err(|errno| OpenError::from_errno(path, errno))?;
        let kind = FileKind::of(FileType::from_raw_mode(stat.st_mode));
        if kind != FileKind::Folder {
            return Err(OpenError::not_a_file(path, kind));
        }
        Ok(Self { fd, way: self.way })
    }

    /// Opens `path` for reading, whatever it is, without blocking.
    ///
    /// Opening a pipe or a device can have an effect on whoever is at its other end: prefer
    /// [`Root::open_regular`].
    ///
    /// # Errors
    /// Those of `openat2`; `ELOOP` for a link made by `/proc`.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let fd = self.lookup(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        Ok(File::from(fd))
    }

    /// Opens `path` for reading if it is a regular file, and gives its state at that time.
    ///
    /// Nothing else is ever opened: the file is looked at first, and what was looked at is what
    /// is opened.
    ///
    /// # Errors
    /// [`OpenError`] tells apart what a caller treats differently.
    pub fn open_regular(&self, path: &Path) -> Result<(File, Stat), OpenError> {
        let found = self.find(path)?;
        let stat = fs::fstat(&found).map_err(|errno| OpenError::from_errno(path, errno))?;
        let kind = FileKind::of(FileType::from_raw_mode(stat.st_mode));
        if kind != FileKind::Regular {
            return Err(OpenError::not_a_file(path, kind));
        }
        let own_link = format!("/proc/self/fd/{}", found.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = fs::open(own_link, flags, Mode::empty())
            .map_err(|errno| OpenError::from_errno(path, errno))?;
        Ok((File::from(fd), stat))
    }

    /// The state of what is at `path` now, links followed, without opening it.
    ///
    /// # Errors
    /// As [`Root::open_regular`], but any kind of file will do.
    pub fn stat(&self, path: &Path) -> Result<Stat, OpenError> {
        let found = self.find(path)?;
        fs::fstat(&found).map_err(|errno| OpenError::from_errno(path, errno))
    }

    /// Device and inode of what is at `path` now, links followed; nothing where it cannot be seen.
    #[must_use]
    pub fn id_of(&self, path: &Path) -> Option<(u64, u64)> {
        let stat = self.stat(path).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }

    /// The names in the folder at `path`, without `.` and `..`, at most `limit` of them, in the
    /// order of the file system.
    ///
    /// # Errors
    /// As [`Root::open_regular`]; a `path` that is no folder gives [`OpenError::Io`].
    pub fn read_dir(&self, path: &Path, limit: usize) -> Result<Vec<OsString>, OpenError> {
        let failed = |errno| OpenError::from_errno(path, errno);
        let fd = self
            .lookup(path, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(failed)?;
        let mut names = Vec::new();
        for entry in fs::Dir::new(fd).map_err(failed)? {
            if names.len() >= limit {
                break;
            }
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    pub(crate) fn find(&self, path: &Path) -> Result<OwnedFd, OpenError> {
        self.lookup(path, OFlags::PATH).map_err(|errno| {
            // In a container `/proc/self` is missing for us, on the host it is a refused link.
            if matches!(errno, Errno::NOENT | Errno::LOOP) && self.leads_to_a_stream(path) {
                return OpenError::not_a_file(path, FileKind::ProcessStream);
            }
            OpenError::from_errno(path, errno)
        })
    }

    fn lookup(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if self.way == Way::Walk {
            return walk::open(self.fd.as_fd(), path, flags);
        }
        let mut found = openat2(&self.fd, path, flags);
        for _ in 1..LOOKUP_ATTEMPTS {
            match found {
                Err(Errno::AGAIN | Errno::INTR) => found = openat2(&self.fd, path, flags),
                other => return other,
            }
        }
        found
    }

    /// Whether `path` is a chain of links that ends at a process's own descriptors.
    fn leads_to_a_stream(&self, path: &Path) -> bool {
        let mut path = path.to_owned();
        for _ in 0..EXPLAINED_LINKS {
            if names_a_stream(&path) {
                return true;
            }
            let Ok(link) = self.lookup(&path, OFlags::PATH | OFlags::NOFOLLOW) else {
                return false;
            };
            let Ok(target) = fs::readlinkat(&link, "", Vec::new()) else {
                return false;
            };
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            path = path.parent().unwrap_or(Path::new("/")).join(target);
        }
        false
    }
}

impl Way {
    /// Finds out by opening `root` itself, which nothing but a sandbox or an old kernel refuses so.
    fn of(root: &OwnedFd) -> Self {
        match openat2(root, Path::new("."), OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOSYS | Errno::PERM) => Self::Walk,
            _ => Self::Kernel,
        }
    }
}

fn openat2(root: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn names_a_stream(path: &Path) -> bool {
    let mut names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.as_bytes()),
        _ => None,
    });
    match (names.next(), names.next()) {
        (Some(b"dev"), Some(b"stdin" | b"stdout" | b"stderr" | b"fd")) => true,
        (Some(b"proc"), Some(_)) => names.any(|name| name == b"fd"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

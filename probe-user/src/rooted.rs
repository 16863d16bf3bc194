//! Opens files inside another process's root folder, as that process would.
//!
//! Configuration and logs of a containerised nginx live behind `/proc/PID/root`. A plain open of
//! `/proc/PID/root/etc/nginx/nginx.conf` follows absolute links out of the container and into the
//! agent's own files. [`Root`] has the kernel resolve every link inside the root (`openat2`, Linux
//! 5.6), and refuses the links that `/proc` makes: `/var/log/nginx/access.log -> /dev/stdout`
//! would otherwise lead to the agent's own standard output.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

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
        Ok(Self { fd })
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
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 1..LOOKUP_ATTEMPTS {
            match fs::openat2(self.fd.as_fd(), path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        fs::openat2(self.fd.as_fd(), path, flags, Mode::empty(), resolve)
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

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("{} does not exist", .path.display())]
    Missing {
        /// The path asked for.
        path: PathBuf,
    },
    /// Something is there that is not a regular file.
    #[error("{} is not a regular file ({kind})", .path.display())]
    NotAFile {
        /// The path asked for.
        path: PathBuf,
        /// What is there.
        kind: FileKind,
    },
    /// The agent may not read it.
    #[error("{} may not be read ({source}); run the agent as root", .path.display())]
    Denied {
        /// The path asked for.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Anything else.
    #[error("{} could not be opened: {source}", .path.display())]
    Io {
        /// The path asked for.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl OpenError {
    fn from_errno(path: &Path, errno: Errno) -> Self {
        let (path, source) = (path.to_owned(), io::Error::from(errno));
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::Missing { path },
            Errno::ACCESS | Errno::PERM => Self::Denied { path, source },
            Errno::NOSYS => Self::Io {
                path,
                source: io::Error::new(
                    io::ErrorKind::Unsupported,
                    "the kernel has no openat2 (it came with Linux 5.6)",
                ),
            },
            _ => Self::Io { path, source },
        }
    }

    fn not_a_file(path: &Path, kind: FileKind) -> Self {
        Self::NotAFile {
            path: path.to_owned(),
            kind,
        }
    }

    /// Whether nothing is there, so that waiting for it makes sense.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A folder.
    Folder,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A character or block device, `/dev/null` for example.
    Device,
    /// A link to a process's own descriptor, as `/dev/stdout` is.
    ProcessStream,
    /// Something else.
    Other,
}

impl FileKind {
    fn of(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::Regular,
            FileType::Directory => Self::Folder,
            FileType::Fifo => Self::Pipe,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            _ => Self::Other,
        }
    }
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Folder => "a folder",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::ProcessStream => "a process's own standard output, standard error or descriptor",
            Self::Other => "of an unknown kind",
        })
    }
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
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    fn text_of(root: &Root, path: &str) -> Result<String, OpenError> {
        let (mut file, _) = root.open_regular(Path::new(path))?;
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn links_stay_inside_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("root");
        std::fs::create_dir_all(inner.join("etc")).unwrap();
        std::fs::write(folder.path().join("secret"), "outside").unwrap();
        std::fs::write(inner.join("secret"), "inside").unwrap();
        symlink("/secret", inner.join("etc/absolute")).unwrap();
        symlink("../../../../secret", inner.join("etc/climbing")).unwrap();
        symlink(folder.path().join("secret"), inner.join("etc/host")).unwrap();

        let root = Root::at(&inner).unwrap();
        assert_eq!(text_of(&root, "/etc/absolute").unwrap(), "inside");
        assert_eq!(text_of(&root, "/etc/climbing").unwrap(), "inside");
        assert_eq!(text_of(&root, "/../secret").unwrap(), "inside");
        assert!(text_of(&root, "/etc/host").unwrap_err().is_missing());
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path();
        std::fs::create_dir_all(inner.join("log")).unwrap();
        std::fs::create_dir_all(inner.join("dev")).unwrap();
        symlink("/dev/stdout", inner.join("log/access.log")).unwrap();
        symlink("/proc/self/fd/1", inner.join("dev/stdout")).unwrap();
        symlink("/dev/fd/2", inner.join("log/error.log")).unwrap();
        symlink("loop", inner.join("loop")).unwrap();
        fs::mknodat(fs::CWD, inner.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let root = Root::at(inner).unwrap();

        let kind = |path: &str| match text_of(&root, path) {
            Err(OpenError::NotAFile { kind, .. }) => kind,
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(kind("/log/access.log"), FileKind::ProcessStream);
        assert_eq!(kind("/log/error.log"), FileKind::ProcessStream);
        assert_eq!(kind("/log"), FileKind::Folder);
        assert_eq!(kind("/pipe"), FileKind::Pipe);
        assert!(matches!(text_of(&root, "/loop"), Err(OpenError::Io { .. })));
        assert!(matches!(
            text_of(&root, "/log/access.log/x"),
            Err(OpenError::Missing { .. })
        ));
        assert_eq!(
            text_of(&root, "/log/access.log").unwrap_err().to_string(),
            "/log/access.log is not a regular file \
             (a process's own standard output, standard error or descriptor)"
        );
    }

    #[test]
    fn the_agents_own_streams_are_not_reached_on_the_host() {
        let root = Root::of_process(Path::new("/proc"), std::process::id()).unwrap();
        for path in ["/dev/stdout", "/proc/self/fd/1", "/proc/self/exe"] {
            assert!(
                root.open_regular(Path::new(path)).is_err(),
                "{path} was opened"
            );
            assert!(root.open(Path::new(path)).is_err(), "{path} was opened");
        }
        let kind = root.open_regular(Path::new("/dev/null")).unwrap_err();
        assert!(matches!(
            kind,
            OpenError::NotAFile {
                kind: FileKind::Device,
                ..
            }
        ));
    }

    #[test]
    fn folders_are_listed_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", ".c"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let root = Root::at(folder.path()).unwrap();
        let mut names = root.read_dir(Path::new("/"), 10).unwrap();
        names.sort();
        assert_eq!(names, [".c", "a", "b"]);
        assert_eq!(root.read_dir(Path::new("/"), 2).unwrap().len(), 2);
        assert!(root.read_dir(Path::new("/a"), 2).is_err());
    }
}

//! Why a file inside a root was not opened, and what is there in its place.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::{fs::FileType, io::Errno};

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
    pub(super) fn from_errno(path: &Path, errno: Errno) -> Self {
        let (path, source) = (path.to_owned(), io::Error::from(errno));
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::Missing { path },
            Errno::ACCESS | Errno::PERM => Self::Denied { path, source },
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn not_a_file(path: &Path, kind: FileKind) -> Self {
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
    pub(super) fn of(file_type: FileType) -> Self {
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

//! The files of a journal: `journal.jsonl`, which is written, and `journal.jsonl.1` and on, which
//! are older the higher their number.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// More rotated files than these are neither kept nor looked for.
pub const MOST_KEPT: u8 = 99;

/// The name of the `n`th rotated file.
#[must_use]
pub fn rotated(journal: &Path, n: u8) -> PathBuf {
    with_suffix(journal, &format!(".{n}"))
}

/// The name of the file that the agent locks which writes the journal.
#[must_use]
pub fn lock(journal: &Path) -> PathBuf {
    with_suffix(journal, ".lock")
}

fn with_suffix(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a regular file, without waiting for whatever else it may be. It is made when it is
/// missing and `options` say so, for the owner and the group alone: it names clients.
///
/// # Errors
/// When it cannot be opened, or is a symbolic link or anything but a regular file.
pub(super) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options
        .mode(0o640)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => refused("it is a symbolic link"),
            Some(libc::ENXIO | libc::EISDIR) => refused("it is not a regular file"),
            _ => error,
        })?;
    if !file.metadata()?.is_file() {
        return Err(refused("it is not a regular file"));
    }
    Ok(file)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_behind_the_whole_name() {
        let journal = Path::new("/j/journal.jsonl");
        assert_eq!(rotated(journal, 4), Path::new("/j/journal.jsonl.4"));
        assert_eq!(lock(journal), Path::new("/j/journal.jsonl.lock"));
    }
}

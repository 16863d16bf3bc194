//! Opens what `nginx-probe logs` is given: files, compressed ones, standard input.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Cursor, Read},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    archive::{Archive, Member, Members},
    compressed::{Bytes, Compression, OTHERS},
};

/// How much of an input is looked at to tell what it is, in bytes.
const HEAD: usize = 64 * 1024;

/// Where lines come from.
pub enum Source {
    /// A regular file, which several threads may read, and its size in bytes.
    File(File, u64),
    /// Anything else, from its beginning. It adds what it takes from below to the count of read
    /// bytes by itself.
    Stream(Bytes),
}

/// One input that can be read.
pub struct Input {
    /// What to call it.
    pub name: String,
    /// Its lines.
    pub source: Source,
    /// Its beginning, uncompressed, at most 64 KiB: enough to tell the format.
    pub head: Vec<u8>,
}

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It is a folder.
    #[error("{0} is a folder; name the log files in it, for example {0}/access.log")]
    Folder(String),
    /// It is no text.
    #[error("{0} is not a log: it holds bytes that no log has; check the name")]
    Binary(String),
    /// It is compressed in a way that is not read here.
    #[error("{name} is compressed by {tool}; pipe it in: {tool} -dc {name} | nginx-probe logs -")]
    Compressed {
        /// What.
        name: String,
        /// The program that made it.
        tool: &'static str,
    },
    /// It is text in another encoding.
    #[error("{0} is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 {0} | nginx-probe logs -")]
    Utf16(String),
    /// It has nothing in it.
    #[error("{0} is empty; a rotation may have just begun it: name the rotated file too")]
    Empty(String),
    /// It is a socket or a device.
    #[error("{0} is not a file; give a log file, or - for standard input")]
    NotAFile(String),
    /// It cannot be opened or read.
    #[error("cannot read {name}: {error}{advice}")]
    Io {
        /// What.
        name: String,
        /// What the system said.
        error: io::Error,
        /// What to do about it.
        advice: &'static str,
    },
}

impl InputError {
    /// What the system or the decompressor said about an input of this name.
    #[must_use]
    pub fn io(name: &str, error: io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run this as a user who may, or pipe it in",
            io::ErrorKind::NotFound => "; check the path",
            io::ErrorKind::UnexpectedEof => {
                "; it ends too early (a copy that was cut short?): what came before the end is counted"
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                "; it is damaged, or needs too much memory to be read: what came before that is counted"
            }
            _ => "",
        };
        Self::Io {
            name: name.to_owned(),
            error,
            advice,
        }
    }
}

/// What a path leads to.
pub enum Opened {
    /// A log.
    Log(Input),
    /// An archive, by its name, whose files may be logs.
    Archive(String, Members),
}

impl Input {
    /// Opens a file; `-` is standard input. Streams add to `read` what they read, compressed bytes
    /// where it is compressed.
    ///
    /// # Errors
    /// When it cannot be read, or what is in it cannot be a log.
    pub fn open(path: &Path, read: &Arc<AtomicU64>) -> Result<Opened, InputError> {
        let name = path.display().to_string();
        let counted = |from: Bytes| -> Bytes {
            Box::new(Counted {
                from,
                read: Arc::clone(read),
            })
        };
        if path == Path::new("-") {
            return Self::stream("standard input".to_owned(), counted(Box::new(io::stdin())));
        }
        let failed = |error| InputError::io(&name, error);
        let found = path.metadata().map_err(failed)?;
        if found.is_dir() {
            return Err(InputError::Folder(name));
        }
        if found.file_type().is_socket() || found.file_type().is_block_device() {
            return Err(InputError::NotAFile(name));
        }
        let mut file = File::open(path).map_err(failed)?;
        if !found.is_file() {
            return Self::stream(name, counted(Box::new(file)));
        }
        let head = head_of(&mut file).0;
        if Compression::of(&head).is_some() || Archive::of(&head).is_some() {
            let file = File::open(path).map_err(failed)?;
            return Self::stream(name, counted(Box::new(file)));
        }
        let size = file.metadata().map_err(failed)?.len();
        Self::checked(name, Source::File(file, size), head).map(Opened::Log)
    }

    /// What may be compressed, or an archive.
    fn stream(name: String, from: Bytes) -> Result<Opened, InputError> {
        let (head, whole) = uncompressed(&name, from)?;
        if let Some(archive) = Archive::of(&head) {
            return Ok(Opened::Archive(name, archive.members(whole)));
        }
        Self::checked(name, Source::Stream(whole), head).map(Opened::Log)
    }

    /// A file of an archive, which may be compressed.
    ///
    /// # Errors
    /// As those of [`Input::open`].
    pub fn of_archive(archive: &str, member: Member) -> Result<Self, InputError> {
        let name = format!("{archive}: {}", member.name);
        let (head, whole) = uncompressed(&name, member.bytes)?;
        if Archive::of(&head).is_some() {
            return Err(InputError::Binary(name));
        }
        Self::checked(name, Source::Stream(whole), head)
    }

    fn checked(name: String, source: Source, head: Vec<u8>) -> Result<Self, InputError> {
        if head.is_empty() {
            return Err(InputError::Empty(name));
        }
        let compressed = OTHERS.iter().find(|(magic, _)| head.starts_with(magic));
        if let Some((_, tool)) = compressed {
            return Err(InputError::Compressed { name, tool });
        }
        if is_utf16(&head) {
            return Err(InputError::Utf16(name));
        }
        // A log may hold a stray NUL: a host that lost power leaves a row of them behind.
        let odd = head
            .iter()
            .filter(|byte| byte.is_ascii_control() && !b"\t\r\n\0\x1b".contains(byte))
            .count();
        let nothing_else = head.iter().all(|byte| *byte == 0);
        if odd * 20 > head.len() || nothing_else || !head.contains(&b'\n') && head.len() == HEAD {
            return Err(InputError::Binary(name));
        }
        Ok(Self { name, source, head })
    }
}

/// The beginning of a stream, and all of it, without what a compressor did.
fn uncompressed(name: &str, mut from: Bytes) -> Result<(Vec<u8>, Bytes), InputError> {
    let (mut head, mut error) = head_of(&mut from);
    let compression = Compression::of(&head);
    let mut whole: Bytes = Box::new(Cursor::new(head.clone()).chain(from));
    if let Some(compression) = compression {
        whole = compression.undone(whole);
        (head, error) = head_of(&mut whole);
        whole = Box::new(Cursor::new(head.clone()).chain(whole));
    }
    match error.filter(|_| head.is_empty()) {
        Some(error) => Err(InputError::io(name, error)),
        None => Ok((head, whole)),
    }
}

/// Whether it is text in an encoding of two bytes for each letter.
fn is_utf16(head: &[u8]) -> bool {
    let marked = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let zeros = |skipped: usize| {
        head.iter()
            .skip(skipped)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let pairs = head.len() / 2;
    // Latin letters have a zero each, at one side of it.
    let (even, odd) = (zeros(0), zeros(1));
    marked
        || pairs > 8
            && (even * 10 > pairs * 9 && odd * 10 < pairs
                || odd * 10 > pairs * 9 && even * 10 < pairs)
}

/// The first bytes, and why there are not more of them if that is an error.
fn head_of(from: &mut impl Read) -> (Vec<u8>, Option<io::Error>) {
    let mut head = Vec::with_capacity(HEAD);
    let error = from.take(HEAD as u64).read_to_end(&mut head).err();
    (head, error)
}

/// Counts what it reads.
struct Counted {
    from: Bytes,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// The files that were named, each once, in their order: the same file by two names counts once.
#[must_use]
pub fn each_once(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut names = HashSet::new();
    let mut files = HashSet::new();
    let mut once = Vec::new();
    for path in paths {
        let of_file = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        let new = of_file.is_none_or(|found| files.insert((found.dev(), found.ino())));
        if names.insert(path) && new {
            once.push(path.clone());
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn opened(bytes: &[u8]) -> Result<Opened, InputError> {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("written");
        Input::open(file.path(), &Arc::default())
    }

    #[test]
    fn what_cannot_be_a_log_is_refused_with_the_reason() {
        for (bytes, said) in [
            (&b""[..], "is empty"),
            (b"\x7fELF\x02\x01\x01\0\x03\0\x3e", "is not a log"),
            (&[0; 500], "is not a log"),
            (&vec![b'x'; HEAD + 1], "is not a log"),
            (b"BZh9more", "bzip2 -dc"),
            (b"\xff\xfea\0\n\0", "is UTF-16"),
            (&b"a\0".repeat(50), "is UTF-16"),
            (&b"\0a".repeat(50), "is UTF-16"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "ends too early"),
        ] {
            let error = opened(bytes).err().expect(said).to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(opened(b"a line\n").is_ok());
        assert!(opened(b"no end").is_ok());
    }

    #[test]
    fn a_file_by_two_names_counts_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "x").expect("written");
        std::os::unix::fs::symlink("a", at("b")).expect("linked");
        let missing = at("none");
        let paths = [at("a"), at("b"), missing.clone(), at("a"), missing.clone()];
        assert_eq!(each_once(&paths), [at("a"), missing]);
    }
}

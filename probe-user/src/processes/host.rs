//! What the whole host has left: memory, files, and how long tasks waited for memory.

use super::read::{Reader, number};

/// What the host has left. What the kernel does not tell is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Memory in bytes (`MemTotal`).
    pub memory_bytes: Option<u64>,
    /// Memory in bytes that can be had without swapping (`MemAvailable`).
    pub memory_available_bytes: Option<u64>,
    /// Open files of all processes (the first number of `/proc/sys/fs/file-nr`).
    pub open_files: Option<u64>,
    /// How many there may be; beyond, every `open` gives ENFILE.
    pub max_files: Option<u64>,
    /// Time lost waiting for memory, since boot; none on a kernel without pressure information.
    pub memory_stall: Option<Stall>,
}

/// Time lost waiting for memory, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// At least one task waited.
    pub some_us: u64,
    /// Every task that could have run waited.
    pub full_us: u64,
}

impl Reader {
    /// Reads three small files.
    pub(super) fn host(&mut self) -> Host {
        let memory = self.file("meminfo");
        let memory_bytes = memory.and_then(|text| kib(text, b"MemTotal:"));
        let memory_available_bytes = memory.and_then(|text| kib(text, b"MemAvailable:"));
        let mut files = self
            .file("sys/fs/file-nr")
            .into_iter()
            .flat_map(|text| text.split(u8::is_ascii_whitespace));
        let open_files = files.next().and_then(number);
        // The second is always 0; without any limit the third is the largest number.
        let max_files = files.nth(1).and_then(number);
        Host {
            memory_bytes,
            memory_available_bytes,
            open_files,
            max_files: max_files.filter(|max| i64::try_from(*max).is_ok_and(|max| max < i64::MAX)),
            memory_stall: self.file("pressure/memory").and_then(stall),
        }
    }
}

/// The value of a line such as `MemTotal:  1024 kB`, in bytes.
fn kib(text: &[u8], name: &[u8]) -> Option<u64> {
    let line = text
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(name))?;
    let value = line
        .split(u8::is_ascii_whitespace)
        .find(|field| !field.is_empty())?;
    number(value)?.checked_mul(1024)
}

/// Lines such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=123`.
fn stall(text: &[u8]) -> Option<Stall> {
    let total = |name: &[u8]| {
        let line = text
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(name))?;
        line.split(u8::is_ascii_whitespace)
            .find_map(|field| number(field.strip_prefix(b"total=")?))
    };
    Some(Stall {
        some_us: total(b"some ")?,
        full_us: total(b"full ").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn reads_what_is_there() {
        let folder = tempfile::tempdir().expect("temp folder");
        for name in ["sys/fs", "pressure"] {
            fs::create_dir_all(folder.path().join(name)).expect("folder");
        }
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("written");
        };
        let mut reader = Reader::new(folder.path());
        assert_eq!(reader.host(), Host::default());
        write(
            "meminfo",
            "MemTotal:  10 kB\nMemFree: 1 kB\nMemAvailable:\t4 kB\n",
        );
        write("sys/fs/file-nr", "1568\t0\t9223372036854775807\n");
        write(
            "pressure/memory",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 total=7\n",
        );
        let expected = Host {
            memory_bytes: Some(10_240),
            memory_available_bytes: Some(4096),
            open_files: Some(1568),
            max_files: None,
            memory_stall: Some(Stall {
                some_us: 12,
                full_us: 7,
            }),
        };
        assert_eq!(reader.host(), expected);
        write("sys/fs/file-nr", "1\t0\t2\n");
        write("meminfo", "MemTotal: x kB\nMemAvailable:");
        write("pressure/memory", "some total=\n");
        let expected = Host {
            open_files: Some(1),
            max_files: Some(2),
            ..Host::default()
        };
        assert_eq!(reader.host(), expected);
    }

    #[test]
    fn this_host_tells_the_most() {
        let host = Reader::new(Path::new("/proc")).host();
        assert!(host.memory_available_bytes < host.memory_bytes, "{host:?}");
        assert!(host.open_files > Some(0), "{host:?}");
    }
}

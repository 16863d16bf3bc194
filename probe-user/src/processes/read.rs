//! Reads what one process uses, with one buffer for all.
//!
//! The procfs crate parses all 52 fields of a `stat`, in memory that it asks for each time: that
//! took 14 to 20 µs for a worker, this takes 9 to 14, most of it the kernel's.

use std::{io::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

use rustix::{
    buffer::spare_capacity,
    fs::{self, Mode, OFlags, RawDir},
};

/// More of a file is not read, in bytes. A `stat` has 300 to 500, `limits` 1,400.
const MAX_FILE: usize = 8 * 1024;
/// More descriptors of a process are not counted one by one, which kernels before 6.2 need.
const MAX_COUNTED: u64 = 1 << 20;

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// `R`, `S`, `D`, `T`, `t`, `Z` … as in `/proc/PID/stat`.
    pub state: u8,
    /// When it began, in hundredths of a second since boot: tells apart two of one process id.
    pub start_ticks: u64,
    /// Processor time of all its threads, in user space and in the kernel, in hundredths of a second.
    pub cpu_ticks: u64,
    /// Its threads.
    pub threads: u64,
    /// Resident memory in bytes. The kernel (from 6.2) may be off by 128 KiB for each
    /// processor, or more.
    pub resident_bytes: u64,
    /// Open descriptors; none when they cannot be counted.
    pub open_fds: Option<u64>,
}

/// Reads a proc file system.
#[derive(Debug)]
pub struct Reader {
    root: Vec<u8>,
    path: Vec<u8>,
    text: Vec<u8>,
    page_size: u64,
}

impl Reader {
    /// Of the proc file system at `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.as_os_str().as_bytes().to_vec(),
            path: Vec::new(),
            text: Vec::with_capacity(MAX_FILE),
            page_size: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
        }
    }

    /// What process `pid` uses; none when it is gone, or hidden from us.
    pub fn usage(&mut self, pid: u32) -> Option<Usage> {
        self.name(pid, "stat");
        let page_size = self.page_size;
        let usage = parse_stat(self.read()?, page_size)?;
        let open_fds = self.count_fds(pid);
        Some(Usage { open_fds, ..usage })
    }

    /// The soft limit of descriptors of process `pid`; none for no limit.
    pub fn max_fds(&mut self, pid: u32) -> Option<u64> {
        self.name(pid, "limits");
        parse_max_fds(self.read()?)
    }

    /// A file of the proc file system that is of no process.
    pub(super) fn file(&mut self, name: &str) -> Option<&[u8]> {
        self.path.clear();
        self.path.extend_from_slice(&self.root);
        self.path.push(b'/');
        self.path.extend_from_slice(name.as_bytes());
        self.read()
    }

    /// Since Linux 6.2 the size of `/proc/PID/fd` is how many there are; before, it is 0.
    fn count_fds(&mut self, pid: u32) -> Option<u64> {
        self.name(pid, "fd");
        let size = fs::stat(self.path.as_slice()).ok()?.st_size;
        match u64::try_from(size) {
            Ok(size) if size > 0 => Some(size),
            _ => self.count_entries(),
        }
    }

    fn count_entries(&mut self) -> Option<u64> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::open(self.path.as_slice(), flags, Mode::empty()).ok()?;
        self.text.clear();
        let mut entries = RawDir::new(folder, self.text.spare_capacity_mut());
        let mut count: u64 = 0;
        while let Some(entry) = entries.next() {
            if !matches!(entry.ok()?.file_name().to_bytes(), b"." | b"..") {
                count += 1;
            }
            if count >= MAX_COUNTED {
                break;
            }
        }
        Some(count)
    }

    fn name(&mut self, pid: u32, file: &str) {
        self.path.clear();
        self.path.extend_from_slice(&self.root);
        // A write to a vector does not fail.
        let _ = write!(self.path, "/{pid}/{file}");
    }

    fn read(&mut self) -> Option<&[u8]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = fs::open(self.path.as_slice(), flags, Mode::empty()).ok()?;
        self.text.clear();
        // One read gives all: these files are made at once, and are smaller than the buffer.
        rustix::io::read(&file, spare_capacity(&mut self.text)).ok()?;
        Some(&self.text)
    }
}

fn parse_stat(text: &[u8], page_size: u64) -> Option<Usage> {
    // The name may hold anything, spaces and brackets too.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = text
        .get(end + 1..)?
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty());
    // Numbered as in proc_pid_stat(5), from the third.
    let state = *fields.next()?.first()?;
    let utime = number(fields.nth(10)?)?; // 14
    let stime = number(fields.next()?)?;
    let threads = number(fields.nth(4)?)?; // 20
    let start_ticks = number(fields.nth(1)?)?; // 22
    let pages = number(fields.nth(1)?)?; // 24
    Some(Usage {
        state,
        start_ticks,
        cpu_ticks: utime.saturating_add(stime),
        threads,
        resident_bytes: pages.saturating_mul(page_size),
        open_fds: None,
    })
}

fn parse_max_fds(text: &[u8]) -> Option<u64> {
    let line = text
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Max open files"))?;
    let soft = line
        .split(u8::is_ascii_whitespace)
        .find(|field| !field.is_empty())?;
    number(soft) // "unlimited" is no number
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) Z 1 (b) S 3 4 5 6 7 8 9 10 11 12 130 17 15 16 20 0 2 21 4444 23 99 \
         18446744073709551615 1 1\n";

    #[test]
    fn a_stat_line_is_read_behind_the_name() {
        let usage = Usage {
            state: b'S',
            start_ticks: 4444,
            cpu_ticks: 147,
            threads: 2,
            resident_bytes: 99 * 4096,
            open_fds: None,
        };
        assert_eq!(parse_stat(STAT.as_bytes(), 4096), Some(usage));
    }

    #[test]
    fn a_cut_or_odd_stat_line_is_none() {
        let needed = STAT.find(" 18446").expect("the limit");
        for end in 0..needed - 1 {
            assert_eq!(parse_stat(&STAT.as_bytes()[..end], 4096), None, "{end}");
        }
        let odd = STAT.replace("130", "-30");
        assert_eq!(parse_stat(odd.as_bytes(), 4096), None);
    }

    #[test]
    fn a_limit_is_a_number_or_none() {
        let limits = |value: &str| {
            format!("Limit  Soft Limit  Hard Limit  Units\nMax open files   {value}  4096  files\n")
        };
        assert_eq!(parse_max_fds(limits("1024").as_bytes()), Some(1024));
        for odd in ["unlimited", "-1", "99999999999999999999999", ""] {
            let text = limits(odd).replace("4096  files", "files");
            assert_eq!(parse_max_fds(text.as_bytes()), None, "{odd}");
        }
        assert_eq!(parse_max_fds(b""), None);
    }

    #[test]
    fn counts_descriptors_in_both_ways() {
        let mut reader = Reader::new(Path::new("/proc"));
        let folder = tempfile::tempdir().expect("temp folder");
        let fd = folder.path().join("7/fd");
        std::fs::create_dir_all(&fd).expect("folder");
        for number in 0..300 {
            std::fs::write(fd.join(number.to_string()), "").expect("written");
        }
        let mut made = Reader::new(folder.path());
        made.name(7, "fd");
        assert_eq!(made.count_entries(), Some(300), "more than one buffer");

        let pid = std::process::id();
        let used = reader.usage(pid).expect("we exist");
        assert!(used.open_fds.is_some_and(|count| count > 2), "{used:?}");
        assert!(
            used.resident_bytes > 1 << 20 && used.threads > 1,
            "{used:?}"
        );
        assert!(reader.max_fds(pid).is_some_and(|max| max > 2));
        assert_eq!(reader.usage(0), None);
    }
}

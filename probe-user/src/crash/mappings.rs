//! The executable file mappings of a process, from `/proc/PID/maps`.
//!
//! The format is that of proc(5). It is read as bytes: the paths belong to whoever made the files
//! and need not be UTF-8, and one strange line must not cost the others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str;

/// Executable mappings kept of one process; nginx with many modules has about 60.
const MAX_MAPPINGS: usize = 1024;
/// Lines looked at: a little more than the kernel's default `vm.max_map_count`, 65530.
const MAX_LINES: usize = 70_000;
/// The longest line: the kernel's `PATH_MAX` with every byte escaped, and the fields before it.
const MAX_LINE: u64 = 4 * 4096 + 256;
/// Path bytes kept of one process; a mapping beyond that is kept without its path.
const MAX_PATH_BYTES: usize = 256 * 1024;

/// One executable mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Where in the file `start` lies, in bytes.
    pub offset: u64,
    /// Major and minor number of the file's device.
    pub device: (u32, u32),
    /// Inode number of the file.
    pub inode: u64,
    /// The path as the kernel shows it, without ` (deleted)`; empty if it was dropped for size.
    path: Box<[u8]>,
}

impl Mapping {
    /// Where the file's first byte is in memory, or would be if it was mapped as this part is.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.start.wrapping_sub(self.offset)
    }

    /// The path to open, inside the process's root.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The path to show: valid UTF-8 without control characters.
    #[must_use]
    pub fn display_path(&self) -> String {
        String::from_utf8_lossy(&self.path)
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect()
    }
}

/// The executable file mappings of one process, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mappings {
    entries: Vec<Mapping>,
}

impl Mappings {
    /// Reads the mappings of a live process.
    ///
    /// # Errors
    /// When `PROC_ROOT/PID/maps` cannot be opened or read: the process is gone, or is not ours to
    /// look at. A process that has exited but was not yet waited for gives no mappings at all, and
    /// neither does one that exits meanwhile.
    pub fn read(proc_root: &Path, pid: u32) -> io::Result<Self> {
        let path = proc_root.join(pid.to_string()).join("maps");
        let mappings = Self::parse(BufReader::new(File::open(&path)?))?;
        // The file comes in pieces, and a process that ends between two of them ends the file
        // without an error. If there is still something to read now, all was there before.
        let alive = File::open(&path)?.read(&mut [0])? > 0;
        Ok(if alive { mappings } else { Self::default() })
    }

    /// Reads mappings from the text of a `maps` file, skipping lines that are not of its format
    /// and a last line without its end.
    ///
    /// # Errors
    /// When the reader fails.
    pub fn parse(mut text: impl BufRead) -> io::Result<Self> {
        let mut entries: Vec<Mapping> = Vec::new();
        let mut path_bytes = 0;
        let mut line = Vec::new();
        for _ in 0..MAX_LINES {
            line.clear();
            if text.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let Some(complete) = line.strip_suffix(b"\n") else {
                text.skip_until(b'\n')?;
                continue;
            };
            let Some(mut mapping) = parse_line(complete) else {
                continue;
            };
            path_bytes += mapping.path.len();
            if path_bytes > MAX_PATH_BYTES {
                mapping.path = Box::default();
            }
            entries.push(mapping);
            if entries.len() == MAX_MAPPINGS {
                break;
            }
        }
        entries.sort_by_key(|mapping| mapping.start);
        // The kernel's mappings never overlap; `find` relies on it.
        entries.dedup_by(|next, kept| next.start < kept.end);
        Ok(Self { entries })
    }

    /// The mapping that holds an address.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<&Mapping> {
        let after = self
            .entries
            .partition_point(|mapping| mapping.start <= address);
        let mapping = self.entries.get(after.checked_sub(1)?)?;
        (address < mapping.end).then_some(mapping)
    }

    /// Whether there is no executable file mapping.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All mappings, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.entries.iter()
    }
}

/// `START-END PERMS OFFSET MAJOR:MINOR INODE  PATH`, or nothing if it is not an executable mapping
/// of a file.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let (start, end) = pair(fields.next()?, '-')?;
    let permissions = fields.next()?;
    let offset = hex(str::from_utf8(fields.next()?).ok()?)?;
    let (major, minor) = pair(fields.next()?, ':')?;
    let inode: u64 = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = fields.next()?.trim_ascii_start();
    if permissions.get(2) != Some(&b'x') || inode == 0 || start >= end || path.is_empty() {
        return None;
    }
    Some(Mapping {
        start,
        end,
        offset,
        device: (u32::try_from(major).ok()?, u32::try_from(minor).ok()?),
        inode,
        path: path.strip_suffix(b" (deleted)").unwrap_or(path).into(),
    })
}

/// Two hexadecimal numbers with a separator between.
fn pair(field: &[u8], separator: char) -> Option<(u64, u64)> {
    let (first, second) = str::from_utf8(field).ok()?.split_once(separator)?;
    Some((hex(first)?, hex(second)?))
}

fn hex(digits: &str) -> Option<u64> {
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGINX: &[u8] = b"\
5590c0e00000-5590c0e2c000 r--p 00000000 fd:01 131 /usr/sbin/nginx
5590c0e2c000-5590c0f04000 r-xp 0002c000 fd:01 131                        /usr/sbin/nginx
5590c2000000-5590c2100000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 r-xp 00000000 00:00 0
7f0000100000-7f0000200000 r-xp 00001000 103:05 77                        /a b/lib.so (deleted)
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
";

    fn parse(text: &[u8]) -> Mappings {
        Mappings::parse(text).expect("a slice does not fail")
    }

    #[test]
    fn keeps_executable_files_only() {
        let mappings = parse(NGINX);
        let paths: Vec<_> = mappings.iter().map(Mapping::display_path).collect();
        assert_eq!(paths, ["/usr/sbin/nginx", "/a b/lib.so"]);
        let library = mappings.find(0x7f00_0010_0000).expect("first byte");
        assert_eq!(
            (library.device, library.inode, library.offset),
            ((0x103, 5), 77, 0x1000)
        );
        assert_eq!(mappings.find(0x7f00_001f_ffff), Some(library));
        assert_eq!(mappings.find(0x7f00_0020_0000), None);
        assert_eq!(mappings.find(0x7f00_000f_ffff), None);
        assert_eq!(mappings.find(0), None);
    }

    #[test]
    fn a_cut_text_gives_a_prefix() {
        let whole = parse(NGINX);
        for cut in 0..NGINX.len() {
            let part = parse(&NGINX[..cut]);
            assert!(
                whole.iter().zip(part.iter()).all(|(a, b)| a == b),
                "cut at {cut}"
            );
            assert!(part.iter().count() <= whole.iter().count());
        }
    }

    #[test]
    fn hostile_lines_cost_only_themselves() {
        let long = [
            b"1000-2000 r-xp 0 1:1 1 /".as_slice(),
            &vec![b'a'; 100_000],
            b"\n",
        ]
        .concat();
        let lines: &[&[u8]] = &[
            b"\n",
            b"-\n",
            b"+1000-2000 r-xp 00000000 01:01 1 /sign\n",
            b"2000-1000 r-xp 00000000 01:01 1 /backwards\n",
            b"1000-2000 r-xp 00000000 01:01 -1 /inode\n",
            b"1000-2000 r 00000000 01:01 1 /short\n",
            b"10000000000000000-20000000000000000 r-xp 0 1:1 1 /wide\n",
            &long,
            b"1000-2000 r-xp 00000000 01:01 1 /bad\xff\x1b[31m\n",
            b"1800-3000 r-xp 00000000 01:01 1 /overlap\n",
        ];
        let mappings = parse(&lines.concat());
        let paths: Vec<_> = mappings.iter().map(Mapping::display_path).collect();
        assert_eq!(paths, ["/bad\u{fffd}\u{fffd}[31m"]);
    }

    #[test]
    fn numbers_and_paths_are_bounded() {
        let mut text = Vec::new();
        for index in 1..=2000_u64 {
            let start = index << 12;
            let path = "p".repeat(1000);
            text.extend(format!("{start:x}-{:x} r-xp 0 1:1 1 /{path}\n", start + 4096).bytes());
        }
        let mappings = parse(&text);
        assert_eq!(mappings.iter().count(), MAX_MAPPINGS);
        let kept: usize = mappings.iter().map(|mapping| mapping.path.len()).sum();
        assert!(kept <= MAX_PATH_BYTES && kept > MAX_PATH_BYTES - 2000);
    }

    #[test]
    fn reads_this_process() {
        let mappings = Mappings::read(Path::new("/proc"), std::process::id()).expect("own maps");
        let here = mappings
            .find(reads_this_process as *const () as u64)
            .expect("own code");
        assert_eq!(here.path(), std::env::current_exe().expect("own path"));
    }
}

//! The kernel log through `syslog(2)`, for where its device cannot be opened.
//!
//! A container gets no `/dev/kmsg` unless it is privileged; the system call asks for `CAP_SYSLOG`
//! alone. It gives the whole buffer each time, so the place up to which it was read is kept.

use std::io;

/// `SYSLOG_ACTION_READ_ALL` of `syslog(2)`: a copy of the newest messages, which stay.
const READ_ALL: libc::c_int = 3;
/// `SYSLOG_ACTION_SIZE_BUFFER`: how large the kernel's buffer is.
const SIZE: libc::c_int = 10;
/// As much of the newest messages as is read; kernels have 128 KiB to 1 MiB.
const MAX_SIZE: usize = 4 * 1024 * 1024;

/// The messages from the moment it was opened on.
pub(super) struct Syslog {
    buffer: Vec<u8>,
    /// The last line that was read; its time tells it from others.
    last: Vec<u8>,
}

impl Syslog {
    /// Begins behind the newest message.
    ///
    /// # Errors
    /// When the kernel refuses it (`CAP_SYSLOG`, a filter of system calls).
    pub(super) fn open() -> io::Result<Self> {
        let mut log = Self {
            buffer: vec![0; size()?],
            last: Vec::new(),
        };
        let read = read_all(&mut log.buffer)?;
        log.last = last_line(log.buffer.get(..read).unwrap_or_default()).to_vec();
        Ok(log)
    }

    /// Gives the text of each message that is new to `line`, oldest first.
    pub(super) fn read_new(&mut self, mut line: impl FnMut(&str)) {
        let Ok(read) = read_all(&mut self.buffer) else {
            return;
        };
        let read = self.buffer.get(..read).unwrap_or_default();
        for new in behind(read, &self.last) {
            line(&String::from_utf8_lossy(text(new)));
        }
        self.last = last_line(read).to_vec();
    }
}

fn size() -> io::Result<usize> {
    // SAFETY: this action takes no buffer: the pointer is not looked at.
    let size = unsafe { libc::klogctl(SIZE, std::ptr::null_mut(), 0) };
    usize::try_from(size)
        .map(|size| size.clamp(1, MAX_SIZE))
        .map_err(|_| io::Error::last_os_error())
}

fn read_all(buffer: &mut [u8]) -> io::Result<usize> {
    let length = libc::c_int::try_from(buffer.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the kernel writes at most `length` bytes to the buffer, which has as many.
    let read = unsafe { libc::klogctl(READ_ALL, buffer.as_mut_ptr().cast(), length) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

fn lines(read: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    read.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

fn last_line(read: &[u8]) -> &[u8] {
    lines(read).next_back().unwrap_or_default()
}

/// The lines behind the last that is the same as `last`; all, when that one was overwritten.
fn behind<'a>(read: &'a [u8], last: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let known = lines(read)
        .enumerate()
        .filter(|(_, line)| *line == last)
        .last()
        .map_or(0, |(number, _)| number.saturating_add(1));
    lines(read).skip(known)
}

/// The text of a line `<priority>[time] text`; the time may be missing, or followed by a caller.
fn text(line: &[u8]) -> &[u8] {
    let mut rest = within(line, b'<', b'>').unwrap_or(line);
    while let Some(behind) = within(rest, b'[', b']') {
        rest = behind;
    }
    rest.strip_prefix(b" ").unwrap_or(rest)
}

/// What stands behind a first word in brackets.
fn within(line: &[u8], open: u8, close: u8) -> Option<&[u8]> {
    let inside = line.strip_prefix(&[open])?;
    let end = inside.iter().position(|byte| *byte == close)?;
    inside.get(end.checked_add(1)?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stands_behind_priority_time_and_caller() {
        for line in [
            "<4>[   12.345678] Memory cgroup [x]",
            "<4>[   12.345678][  T123] Memory cgroup [x]",
            "<4>Memory cgroup [x]",
            "Memory cgroup [x]",
        ] {
            assert_eq!(text(line.as_bytes()), b"Memory cgroup [x]", "{line}");
        }
        for cut in ["", "<", "<4", "<4>", "<4>[", "<4>[1] "] {
            text(cut.as_bytes());
        }
    }

    #[test]
    fn only_what_is_behind_the_last_line_read_is_new() {
        let new = |read: &'static str, last: &str| -> Vec<_> {
            behind(read.as_bytes(), last.as_bytes())
                .map(String::from_utf8_lossy)
                .collect()
        };
        assert_eq!(new("a\nb\nc\n", "b"), ["c"]);
        assert_eq!(new("b\nb\nc\n", "b"), ["c"]);
        assert_eq!(new("a\nb\n", "b"), [""; 0]);
        assert_eq!(new("b\nc\n", "overwritten"), ["b", "c"]);
        assert_eq!(last_line(b"a\nb\n"), b"b");
    }
}

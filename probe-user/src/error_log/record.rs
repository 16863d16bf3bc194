//! Where nginx's own writes begin and end in a block of the log.
//!
//! nginx writes each message with one `write()` of at most 2,048 bytes. A message may hold line
//! feeds: a Lua traceback, a PHP stack trace, or a path in which a client wrote `%0A` followed by
//! what looks like a line of the log.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::{self, Finder};

use super::choose::ends_well;
use super::class::Text;
use super::context::{self, places};
use super::level::Level;
use super::line::Head;

/// The most that nginx writes at once, line feed included (`NGX_MAX_ERROR_STR`).
pub const MAX_RECORD: usize = 2048;

/// One write of nginx's, without its last line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it wrote; give it to [`super::Parsed::of`].
    pub bytes: &'a [u8],
    /// How many lines of the file that is.
    pub lines: u32,
}

/// The records of `block`, which should end with a line feed and hold all that the log had: only
/// then is it seen that a line belongs to the one before it. Nothing is copied, and each line is
/// given in exactly one record.
pub fn records(block: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = first_record(rest);
        rest = rest.get(record.bytes.len() + 1..).unwrap_or_default();
        Some(record)
    })
}

/// Whether a line begins a message of nginx's log.
#[must_use]
pub fn begins(line: &[u8]) -> bool {
    Head::read(line).is_some()
}

/// Whether a message that begins with this line may go on in the next one: what it says of itself at
/// its end is still to come, or it has no such end and holds what others wrote.
#[must_use]
pub fn is_open(line: &[u8]) -> bool {
    Head::read(line).is_some_and(|head| {
        if head.connection.is_some() {
            !has_fields(line)
        } else {
            head.level <= Level::Error && head.text() != Text::Own
        }
    })
}

/// Whether the fields that end a message stand in this line.
#[must_use]
pub fn ends(line: &[u8]) -> bool {
    has_fields(line)
}

fn first_record(block: &[u8]) -> Record<'_> {
    let first = line_at(block, 0);
    let mut record = Record {
        bytes: first,
        lines: 1,
    };
    let Some(head) = Head::read(first) else {
        return record;
    };
    let window = block.get(..block.len().min(MAX_RECORD)).unwrap_or(block);
    let foreign = head.connection.is_some()
        && head.level != Level::Debug
        && !matches!(head.text(), Text::Own | Text::Alone);
    loop {
        let next = record.bytes.len() + 1;
        if next >= window.len() {
            return record;
        }
        let line = line_at(window, next);
        let end = if Head::read(line).is_none() {
            // A write cut at the window's end is the next record's.
            Some(next + line.len()).filter(|end| *end < MAX_RECORD)
        } else if foreign {
            closing_end(
                window,
                record.bytes,
                line_at(window, first.len() + 1),
                head.text(),
            )
            .or_else(|| cut_end(window, record.bytes))
        } else {
            None
        };
        let Some(bytes) = end.and_then(|end| block.get(..end)) else {
            return record;
        };
        record.lines += count_lines(bytes.get(next..).unwrap_or_default());
        record.bytes = bytes;
    }
}

/// Where a message ends that goes on behind `record` although a line of the log seems to begin
/// there: the end of a later line that has the fields which `record` lacks, or whose request is
/// seen to hold the `second` line of the record.
fn closing_end(window: &[u8], record: &[u8], second: &[u8], kind: Text) -> Option<usize> {
    let open = !has_fields(record);
    let behind = window.get(record.len()..)?;
    if !open && !escapes_feed(behind) {
        return None;
    }
    let mut at = record.len() + 1;
    while at < window.len() {
        let line = line_at(window, at);
        at += line.len() + 1;
        if (open && closes(line, kind))
            || (!open && has_fields(line) && request_holds(line, second))
        {
            // A line that the window cuts is the next record's.
            return Some(at - 1).filter(|end| *end < MAX_RECORD);
        }
    }
    None
}

/// The same for a message that nginx cut when its buffer was full: the record fills the window, and
/// either never had fields or ends in nginx's mark for a cut, in a line too short to be cut itself.
fn cut_end(window: &[u8], record: &[u8]) -> Option<usize> {
    static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"... ("));
    let text = window.strip_suffix(b"\n")?;
    if window.len() < MAX_RECORD {
        return None;
    }
    let last = text.get(memchr::memrchr(b'\n', text)? + 1..)?;
    (!has_fields(record) || MARK.find(last).is_some()).then_some(text.len())
}

fn count_lines(text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text).count() + 1).unwrap_or(u32::MAX)
}

/// Whether an escaped line feed stands in it.
fn escapes_feed(text: &[u8]) -> bool {
    static UPPER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"%0A"));
    static LOWER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"%0a"));
    UPPER.find(text).is_some() || LOWER.find(text).is_some()
}

/// The line that begins at `at`, without its line feed.
fn line_at(block: &[u8], at: usize) -> &[u8] {
    let rest = block.get(at..).unwrap_or_default();
    rest.get(..memchr(b'\n', rest).unwrap_or(rest.len()))
        .unwrap_or_default()
}

/// Whether the fields stand in this line, behind what has to end a message of this kind.
fn closes(line: &[u8], kind: Text) -> bool {
    places(line).any(|at| {
        let before = line.get(..at).unwrap_or_default();
        context::read(line, at, false).is_some() && ends_well(before, kind)
    })
}

fn has_fields(line: &[u8]) -> bool {
    places(line).any(|at| context::read(line, at, false).is_some())
}

/// Whether the request in a line's fields holds, decoded, a line feed and then `text`.
fn request_holds(line: &[u8], text: &[u8]) -> bool {
    places(line)
        .filter_map(|at| context::read(line, at, false)?.request)
        .filter(|request| escapes_feed(request))
        .any(|request| {
            let mut feed_and_text = vec![b'\n'];
            feed_and_text.extend(text);
            memmem::find(&decoded(request), &feed_and_text).is_some()
        })
}

/// `%XX` decoded, once, as nginx does with a path.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let pair = (*byte == b'%')
            .then(|| Some((hex(*after.first()?)?, hex(*after.get(1)?)?)))
            .flatten();
        if let Some((high, low)) = pair {
            out.push(high << 4 | low);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

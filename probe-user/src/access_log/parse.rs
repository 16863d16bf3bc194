//! Lines read by a compiled format.
//!
//! Work on a line grows with its length. A value is ended once and never looked at again: by what
//! nginx writes for its variable, by a byte that no value holds, or by a search for the literal
//! behind it. Only a search, and a list that may hold its literal, tries again: at each place of the
//! literal it looks at up to [`AHEAD`] typed variables behind, together at most [`work_on`] bytes a
//! line.

use super::entry::Entry;
use super::format::{End, Escape, Format, Step};
use super::grammar::{LONGEST_ADDRESS, is_address};
use super::scan::{near, near_of_two, quote, quote_or};

/// How many variables behind a search must fit.
const AHEAD: usize = 16;

/// The most bytes that all searches of a line look ahead. A line that needs more does not fit.
pub(super) fn work_on(line: &[u8]) -> usize {
    16 * line.len() + LEAST_WORK
}

const LEAST_WORK: usize = 64 * 1024;

/// How far into a text a line is read whose end is not known yet: most lines are shorter.
const WINDOW: usize = 1024;

/// What a piece of a log held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Lines that fit the format.
    pub parsed: u64,
    /// Lines that do not.
    pub unparsed: u64,
    /// Bytes of whole lines; what follows has no line feed.
    pub bytes: usize,
}

impl Format {
    /// Reads a line, given without its line feed. Without a match what `entry` holds is undefined.
    #[must_use]
    pub fn parse<'line>(&self, line: &'line [u8], entry: &mut Entry<'line>) -> bool {
        entry.begin(line, self.given, self.escape);
        self.values::<false>(line, entry) == Some(line.len())
    }

    /// Reads the line that `text` begins with, without a search for its end first; its length. None
    /// tells nothing: it may be read by [`Format::parse`] all the same.
    #[inline]
    fn parse_first<'text>(&self, text: &'text [u8], entry: &mut Entry<'text>) -> Option<usize> {
        let window = text.get(..WINDOW).unwrap_or(text);
        entry.begin(window, self.given, self.escape);
        let end = self.values::<true>(window, entry)?;
        if window.get(end) != Some(&b'\n') {
            return None;
        }
        entry.begin(window.get(..end)?, self.given, self.escape);
        Some(end)
    }

    /// Reads each line of `text` that ends with a line feed. `each` gets its entry, or the line
    /// when it does not fit.
    pub fn for_each_line<'text>(
        &self,
        text: &'text [u8],
        mut each: impl FnMut(Result<&Entry<'text>, &'text [u8]>),
    ) -> Read {
        let mut entry = Entry::default();
        let mut read = Read::default();
        let mut rest = text;
        loop {
            let first = if self.ends_by_itself {
                self.parse_first(rest, &mut entry)
            } else {
                None
            };
            let Some(end) = first.or_else(|| memchr::memchr(b'\n', rest)) else {
                break;
            };
            let Some((line, after)) = rest.split_at_checked(end) else {
                break;
            };
            if first.is_some() || self.parse(line, &mut entry) {
                read.parsed += 1;
                each(Ok(&entry));
            } else {
                read.unparsed += 1;
                each(Err(line));
            }
            rest = after.get(1..).unwrap_or_default();
        }
        read.bytes = text.len() - rest.len();
        read
    }

    /// The end of what the format wants of `line`. With `MORE` what is given may go on with other
    /// lines, and no value is taken that goes on to the next.
    #[inline]
    fn values<'line, const MORE: bool>(
        &self,
        line: &'line [u8],
        entry: &mut Entry<'line>,
    ) -> Option<usize> {
        if !self.head.follows(line, 0) {
            return None;
        }
        let mut at = self.head.len();
        let mut work = 0;
        let mut steps = self.steps.iter();
        while let Some(step) = steps.next() {
            let end = match step.end {
                End::Typed(grammar) => {
                    grammar.end(line, at, &step.literal, self.dash(), &mut work)?
                }
                End::Before(byte, back) => {
                    let rest = line.get(at..)?;
                    let found = if MORE {
                        at + near_of_two(rest, byte, b'\n')?
                    } else {
                        at + near(rest, byte)?
                    };
                    if MORE && line.get(found) != Some(&byte) {
                        return None;
                    }
                    found.checked_sub(back).filter(|end| *end >= at)?
                }
                End::BeforeQuote(back) => {
                    let rest = line.get(at..)?;
                    let found = at
                        + if MORE {
                            quote_or(rest, b'\n')?
                        } else {
                            quote(rest)?
                        };
                    if MORE && line.get(found) != Some(&b'"') {
                        return None;
                    }
                    found.checked_sub(back).filter(|end| *end >= at)?
                }
                End::Search | End::Address | End::List(_) => {
                    let found =
                        self.search::<MORE>(step, steps.as_slice(), line, at, &mut work, entry)?;
                    if MORE && line.get(at..found.end)?.contains(&b'\n') {
                        return None;
                    }
                    entry.set(step.slot, at, found.end);
                    at = found.read_to;
                    // What was looked at ahead is read.
                    steps = steps.as_slice().get(found.steps..)?.iter();
                    continue;
                }
                End::Rest => {
                    let end = line.len().checked_sub(step.literal.len());
                    end.filter(|end| *end >= at)?
                }
            };
            if !step.literal.follows(line, end) {
                return None;
            }
            entry.set(step.slot, at, end);
            at = end + step.literal.len();
        }
        Some(at)
    }

    #[inline]
    fn dash(&self) -> bool {
        self.escape == Escape::Default
    }

    /// The end of a value that ends where `step`'s literal is followed by what `behind` wants.
    fn search<const MORE: bool>(
        &self,
        step: &Step,
        behind: &[Step],
        line: &[u8],
        at: usize,
        work: &mut usize,
        entry: &mut Entry<'_>,
    ) -> Option<Found> {
        if let End::List(element) = step.end {
            return self.list(element, (step, behind), line, at, work, entry);
        }
        let most = if MORE { LEAST_WORK } else { work_on(line) };
        let mut from = at;
        while *work < most {
            let end = step.literal.find(line, from)?;
            let next = end + step.literal.len();
            if step.end == End::Address {
                let address = line.get(at..end)?;
                if address.len() > LONGEST_ADDRESS {
                    return None;
                }
                if !is_address(address) {
                    from = end + 1;
                    continue;
                }
            }
            if let Some((steps, read_to)) = self.ahead(behind, line, next, work, entry) {
                return Some(Found {
                    end,
                    steps,
                    read_to,
                });
            }
            from = end + 1;
        }
        None
    }

    /// How many typed variables `steps` begins with, and where they end, if they are at `at`.
    pub(super) fn ahead(
        &self,
        steps: &[Step],
        line: &[u8],
        mut at: usize,
        work: &mut usize,
        entry: &mut Entry<'_>,
    ) -> Option<(usize, usize)> {
        for (taken, step) in steps.iter().take(AHEAD).enumerate() {
            let End::Typed(grammar) = step.end else {
                return Some((taken, at));
            };
            *work += 1 + step.literal.len();
            let end = grammar.end(line, at, &step.literal, self.dash(), work)?;
            if !step.literal.follows(line, end) {
                return None;
            }
            *work += end - at;
            entry.set(step.slot, at, end);
            at = end + step.literal.len();
        }
        if steps.len() <= AHEAD && at != line.len() {
            return None;
        }
        Some((steps.len().min(AHEAD), at))
    }
}

/// A value whose end was searched for, and what was read behind it.
pub(super) struct Found {
    pub(super) end: usize,
    pub(super) steps: usize,
    pub(super) read_to: usize,
}

//! Counts the lines of one log, whatever is in it, in one of several threads.
//!
//! Lines that fit the format of most cost nothing more than that. What is left over is looked at
//! more closely: it may be in an envelope, in another format, a message of nginx's, or nothing that is
//! known. Lines of unknown kind are kept for a while, since their format may be learned.

use std::sync::Arc;

use super::{
    errors::Errors,
    feed::Take,
    formats::Chosen,
    layout::{BOM, Layout, cleaned, usual},
    pairs::Pairs,
    tally::Tally,
    wrapper::is_console,
};
use crate::{
    access_log::Entry,
    error_log::{MAX_RECORD, begins, ends, is_open},
};

/// Lines of unknown kind that are kept at once, and their bytes.
const MOST_KEPT: usize = 200;
const MOST_KEPT_BYTES: usize = 256 * 1024;
/// Times that a thread tries to learn a format of one log, before it does so less and less often.
const MOST_LESSONS: usize = 12;
/// Longer lines are not kept, in bytes.
const LONGEST_KEPT: usize = 16 * 1024;

/// What one thread counted of all logs so far.
#[derive(Default)]
pub struct Reader {
    layout: Option<Arc<Layout>>,
    formats: Vec<Arc<Chosen>>,
    version: usize,
    /// Which of the formats most lines are in.
    primary: Option<Arc<Chosen>>,
    /// Requests.
    pub tally: Tally,
    /// Messages.
    pub errors: Errors,
    /// What may explain each other.
    pub pairs: Pairs,
    /// Lines of all kinds.
    pub lines: u64,
    /// Lines with nothing in them, or with the name of a file between those of several.
    pub blank: u64,
    /// Bytes, uncompressed.
    pub bytes: u64,
    kept: Vec<u8>,
    kept_lines: usize,
    lessons: usize,
    /// Lines of no known kind in this log.
    others: u64,
    opened: (Vec<u8>, Vec<u8>),
}

impl Reader {
    /// The lines to come are of this log.
    pub fn begin(&mut self, layout: &Arc<Layout>) {
        self.finish();
        self.layout = Some(Arc::clone(layout));
        (self.lessons, self.others) = (0, 0);
        self.refresh();
        self.primary = self.formats.first().map(Arc::clone);
    }

    /// There are no more lines of this log.
    pub fn finish(&mut self) {
        self.learn();
        self.layout = None;
    }

    fn refresh(&mut self) {
        if let Some(layout) = &self.layout {
            self.version = layout.version();
            self.formats = layout.formats();
        }
    }

    /// Lines as nginx wrote them.
    fn inner(&mut self, block: &[u8]) {
        let Some(primary) = self.primary.clone() else {
            self.others(block);
            return;
        };
        self.tally.begin(&primary);
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let start_of = |line: &[u8]| (line.as_ptr() as usize).wrapping_sub(block.as_ptr() as usize);
        let read = primary.format.for_each_line(block, |line| match line {
            Ok(entry) => self.tally.entry(entry, &mut self.pairs),
            Err(line) => {
                let (start, end) = (start_of(line), start_of(line) + line.len() + 1);
                match runs.last_mut() {
                    Some(last) if last.1 == start => last.1 = end,
                    _ => runs.push((start, end)),
                }
            }
        });
        self.lines += read.parsed;
        self.tally.lines += read.parsed;
        if read.bytes < block.len() {
            match runs.last_mut() {
                Some(last) if last.1 == read.bytes => last.1 = block.len(),
                _ => runs.push((read.bytes, block.len())),
            }
        }
        if runs.is_empty() {
            return;
        }
        let mut others = Vec::new();
        for (start, end) in runs {
            self.run(block.get(start..end).unwrap_or_default(), &mut others);
        }
        // What most of the others are in is tried first from now on.
        let best = others.iter().max_by_key(|(_, count)| *count);
        if let Some((other, _)) = best.filter(|(_, count)| *count > read.parsed) {
            self.primary = Some(Arc::clone(other));
        }
    }

    fn others(&mut self, block: &[u8]) {
        let mut others = Vec::new();
        self.run(block, &mut others);
        let best = others.into_iter().max_by_key(|(_, count)| *count);
        if let Some((other, _)) = best.filter(|(_, count)| *count > 8) {
            self.primary = Some(other);
        }
    }

    /// Lines in a row that are not in the primary format.
    fn run(&mut self, run: &[u8], counts: &mut Vec<(Arc<Chosen>, u64)>) {
        let odd = memchr::memchr2(b'\r', 0, run).is_some() || run.starts_with(BOM);
        let clean = if odd { cleaned(run) } else { Vec::new() };
        // A last line of nothing but these is gone.
        if odd && run.last() != Some(&b'\n') && clean.last().is_none_or(|byte| *byte == b'\n') {
            self.lines += 1;
            self.blank += 1;
        }
        let run = if odd { &clean } else { run };
        // Where a row of messages began, and the last of these; whether that may go on.
        let mut messages: Option<usize> = None;
        let (mut last, mut open) = (0, false);
        let mut at = 0;
        while at < run.len() {
            let rest = run.get(at..).unwrap_or_default();
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..length).unwrap_or_default();
            let (start, end) = (at, (at + length + 1).min(run.len()));
            at += length + 1;
            if begins(line) {
                messages.get_or_insert(start);
                (last, open) = (start, is_open(line));
                continue;
            }
            let goes_on = open && messages.is_some() && end - last <= MAX_RECORD;
            if line.is_empty() && goes_on {
                continue;
            }
            let found = if line.is_empty() {
                None
            } else {
                self.entry_of(line)
            };
            if goes_on && found.is_none() {
                open = !ends(line);
                continue;
            }
            if let Some(begun) = messages.take() {
                self.messages(run.get(begun..start).unwrap_or_default());
            }
            open = false;
            match found {
                Some(chosen) => count(counts, chosen),
                None => self.other(line),
            }
        }
        if let Some(begun) = messages {
            self.messages(run.get(begun..).unwrap_or_default());
        }
    }

    fn messages(&mut self, text: &[u8]) {
        let before = self.errors.lines;
        self.errors.messages(text, &mut self.pairs);
        self.lines += self.errors.lines - before;
    }

    /// Counts a line if it is in one of the formats; which.
    fn entry_of(&mut self, line: &[u8]) -> Option<Arc<Chosen>> {
        if self
            .layout
            .as_ref()
            .is_some_and(|layout| layout.version() != self.version)
        {
            self.refresh();
        }
        let mut entry = Entry::default();
        let of_log = self
            .formats
            .iter()
            .find(|chosen| chosen.parse(line, &mut entry));
        let chosen = if let Some(chosen) = of_log {
            Arc::clone(chosen)
        } else {
            let mut usual = usual().iter();
            let chosen = Arc::clone(usual.find(|chosen| chosen.parse(line, &mut entry))?);
            if let Some(layout) = &self.layout {
                layout.add(Arc::clone(&chosen));
            }
            chosen
        };
        self.tally.begin(&chosen);
        self.tally.entry(&entry, &mut self.pairs);
        self.tally.lines += 1;
        self.lines += 1;
        Some(chosen)
    }

    /// A line of no known kind.
    fn other(&mut self, line: &[u8]) {
        self.lines += 1;
        let headline = line.starts_with(b"==> ") && line.ends_with(b" <==");
        if headline || line.iter().all(u8::is_ascii_whitespace) {
            self.blank += 1;
        } else if is_console(line) {
            self.errors.messages(line, &mut self.pairs);
        } else if line.len() > LONGEST_KEPT || !self.may_learn() {
            self.stray(line);
        } else {
            self.kept.extend_from_slice(line);
            self.kept.push(b'\n');
            self.kept_lines += 1;
            if self.kept_lines >= MOST_KEPT || self.kept.len() > MOST_KEPT_BYTES {
                self.learn();
            }
        }
    }

    /// Whether it is worth while to keep a line: rarely, when it often was not.
    fn may_learn(&mut self) -> bool {
        self.others += 1;
        let rare = 1_u64 << (self.lessons.saturating_sub(MOST_LESSONS)).min(40);
        self.lessons < MOST_LESSONS || (self.others / MOST_KEPT as u64).is_multiple_of(rare)
    }

    /// Looks for a format of the lines that were kept, and counts them.
    fn learn(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let kept = std::mem::take(&mut self.kept);
        self.kept_lines = 0;
        self.lessons += 1;
        let lines: Vec<&[u8]> = kept
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        if let Some(layout) = &self.layout {
            layout.learn(&lines);
        }
        for line in lines {
            self.lines -= 1;
            // Another thread may have learned it.
            if self.entry_of(line).is_none() {
                self.lines += 1;
                self.stray(line);
            }
        }
    }

    fn stray(&mut self, line: &[u8]) {
        if self
            .layout
            .as_ref()
            .is_some_and(|layout| layout.errors_only)
        {
            self.errors.stray(line);
        } else {
            self.tally.unparsed(line);
        }
    }
}

fn count(counts: &mut Vec<(Arc<Chosen>, u64)>, chosen: Arc<Chosen>) {
    match counts
        .iter_mut()
        .find(|(known, _)| Arc::ptr_eq(known, &chosen))
    {
        Some((_, count)) => *count += 1,
        None => counts.push((chosen, 1)),
    }
}

impl Take for Reader {
    fn lines(&mut self, lines: &[u8]) {
        self.bytes += lines.len() as u64;
        let Some(layout) = self.layout.clone() else {
            return;
        };
        if layout.layers.is_empty() {
            self.inner(lines);
            return;
        }
        let (mut out, mut spare) = std::mem::take(&mut self.opened);
        layout.layers.open(lines, &mut out, &mut spare);
        self.inner(&out);
        self.opened = (out, spare);
    }

    fn overlong(&mut self) {
        self.lines += 1;
        self.stray(b"");
    }
}

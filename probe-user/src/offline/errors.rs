//! Counts the lines of error logs by level and class.

use std::collections::HashMap;

use super::{
    pairs::Pairs,
    tally::{SAMPLES, sample},
};
use crate::error_log::{Civil, Class, Level, Parsed, records};

/// What error logs hold.
#[derive(Default)]
pub struct Errors {
    /// Lines in all.
    pub lines: u64,
    /// Messages: one may be of several lines.
    pub messages: u64,
    /// Lines that nginx did not begin, and that belong to no message.
    pub strays: u64,
    /// The first of them.
    pub samples: Vec<Vec<u8>>,
    /// The earliest and the latest time, as nginx's host showed it.
    pub span: Option<(Civil, Civil)>,
    /// Messages by level and class.
    pub counts: HashMap<(Level, &'static str), (&'static Class, u64)>,
}

impl Errors {
    fn count(&mut self, level: Level, class: &'static Class) {
        self.messages += 1;
        let count = self.counts.entry((level, class.name)).or_insert((class, 0));
        count.1 += 1;
    }

    /// Takes all of another.
    pub fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        self.messages += other.messages;
        self.strays += other.strays;
        self.samples.extend(other.samples);
        self.samples.truncate(SAMPLES);
        self.span = match (self.span, other.span) {
            (Some(mine), Some(other)) => Some((mine.0.min(other.0), mine.1.max(other.1))),
            (mine, other) => mine.or(other),
        };
        for (key, (class, count)) in other.counts {
            self.counts.entry(key).or_insert((class, 0)).1 += count;
        }
    }
}

impl Errors {
    /// Counts the messages of lines in a row, the first of which begins one.
    pub fn messages(&mut self, lines: &[u8], pairs: &mut Pairs) {
        for record in records(lines) {
            self.lines += u64::from(record.lines);
            match Parsed::of(record.bytes) {
                Parsed::Line(line) => {
                    let (first, last) = self.span.unwrap_or((line.time, line.time));
                    self.span = Some((first.min(line.time), last.max(line.time)));
                    self.count(line.level, line.class);
                    pairs.message(&line);
                }
                Parsed::Console(line) => {
                    self.count(line.level.unwrap_or(Level::Notice), line.class);
                }
                Parsed::Continuation(text) => {
                    self.strays += u64::from(record.lines);
                    sample(&mut self.samples, text);
                }
            }
        }
    }

    /// Counts a line of no message.
    pub fn stray(&mut self, line: &[u8]) {
        self.lines += 1;
        self.strays += 1;
        sample(&mut self.samples, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_level_and_class() {
        let log =
            b"2026/11/22 19:03:20 [error] 1#1: *5 connect() failed (111: Connection refused) \
            while connecting to upstream, client: 1.2.3.4, server: , request: \"GET / HTTP/1.1\", \
            upstream: \"http://127.0.0.1:1/\", host: \"x\"\n\
            2026/11/22 19:03:21 [alert] 1#1: worker process 7 exited on signal 11\n\
            2026/11/22 19:03:19 [notice] 1#1: reconfiguring";
        let (mut errors, mut other) = (Errors::default(), Errors::default());
        let mut pairs = Pairs::default();
        errors.messages(log, &mut pairs);
        other.messages(log, &mut pairs);
        other.stray(b"stray");
        errors.merge(other);
        assert_eq!((errors.messages, errors.lines, errors.strays), (6, 7, 1));
        assert_eq!(errors.counts[&(Level::Error, "connect_refused")].1, 2);
        assert_eq!(errors.counts.len(), 3);
        let (first, last) = errors.span.expect("times");
        assert_eq!((first.second, last.second), (19, 21));
    }
}

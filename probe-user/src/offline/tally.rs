//! Counts the lines of access logs, in one of several threads.
//!
//! A response that did not fail costs its parsing and a few additions; all else is for failures.

use std::{collections::HashMap, sync::Arc};

use super::{feed::Take, minutes::Minutes, route, spread::Spread, top::Top};
use crate::access_log::{
    Entry, Field, Format,
    how::{self, Hidden, How},
};

/// Routes and upstreams that a thread keeps apart.
const MOST_ROUTES: usize = 10_000;
const MOST_UPSTREAMS: usize = 1000;
/// Lines that do not fit and are shown.
pub const SAMPLES: usize = 3;
/// How much of such a line is kept, in bytes.
const SAMPLE: usize = 300;
/// Attempts of one request that are looked at.
const MOST_ATTEMPTS: usize = 64;

/// What access logs hold.
pub struct Tally {
    format: Arc<Format>,
    has_upstream: bool,
    has_upstream_time: bool,
    has_request_time: bool,
    /// Lines in all, and those of them that do not fit the format.
    pub lines: u64,
    /// Lines that do not fit.
    pub unparsed: u64,
    /// Bytes, uncompressed.
    pub bytes: u64,
    /// The first lines that do not fit.
    pub samples: Vec<Vec<u8>>,
    /// Responses by status, 0 to 999.
    pub statuses: Box<[u64; 1000]>,
    /// The earliest and the latest time, in microseconds since 1970-01-01 UTC: to the second where
    /// lines are in order, else to the few seconds that workers keep theirs back (`buffer=`).
    pub span: Option<(i64, i64)>,
    /// Failures and hidden failures, by kind and the status that the client was sent.
    pub failures: HashMap<(How, u16), u64>,
    /// Requests that failed at one upstream and succeeded at the next.
    pub saved: u64,
    /// By the minute.
    pub minutes: Minutes,
    /// Failures by route.
    pub routes: Top,
    /// Failed attempts by upstream.
    pub upstreams: Top,
    /// Attempts at upstreams: how long.
    pub upstream_time: Spread,
    /// Requests: how long.
    pub request_time: Spread,
    route: Vec<u8>,
}

impl Tally {
    /// Nothing yet; the lines to come are of this format.
    #[must_use]
    pub fn new(format: &Arc<Format>) -> Self {
        let mut tally = Self {
            format: Arc::clone(format),
            has_upstream: false,
            has_upstream_time: false,
            has_request_time: false,
            lines: 0,
            unparsed: 0,
            bytes: 0,
            samples: Vec::new(),
            statuses: Box::new([0; 1000]),
            span: None,
            failures: HashMap::new(),
            saved: 0,
            minutes: Minutes::default(),
            routes: Top::new(MOST_ROUTES),
            upstreams: Top::new(MOST_UPSTREAMS),
            upstream_time: Spread::default(),
            request_time: Spread::default(),
            route: Vec::new(),
        };
        tally.begin(format);
        tally
    }

    /// The lines to come are of this format.
    pub fn begin(&mut self, format: &Arc<Format>) {
        self.format = Arc::clone(format);
        self.has_upstream = format.gives(Field::UpstreamStatus);
        self.has_upstream_time = format.gives(Field::UpstreamResponseTime);
        self.has_request_time = format.gives(Field::RequestTime);
        self.minutes.begin(format);
    }

    #[inline]
    fn entry(&mut self, entry: &Entry<'_>) {
        let status = entry.status().unwrap_or(0);
        if let Some(count) = self.statuses.get_mut(usize::from(status)) {
            *count += 1;
        }
        let failed = status >= 500;
        self.minutes.add(entry, failed);
        if failed {
            self.failed(entry, status);
        } else if self.has_upstream {
            match how::hidden(entry, status) {
                Hidden::Nothing => {}
                hidden => self.hidden(entry, status, hidden),
            }
        }
        if self.has_upstream_time {
            let times = entry.upstream_response_time().take(MOST_ATTEMPTS);
            for micros in times.filter_map(|attempt| attempt.micros()) {
                self.upstream_time.add(micros);
            }
        }
        if self.has_request_time
            && let Some(micros) = entry.request_time()
        {
            self.request_time.add(micros);
        }
    }

    #[cold]
    fn failed(&mut self, entry: &Entry<'_>, status: u16) {
        let how = how::failed(entry, status, self.format.escape());
        *self.failures.entry((how, status)).or_default() += 1;
        route::write(entry, &mut self.route);
        self.routes.add(&self.route, status);
        self.attempts(entry);
    }

    #[cold]
    fn hidden(&mut self, entry: &Entry<'_>, status: u16, hidden: Hidden) {
        if hidden == Hidden::Masked {
            *self.failures.entry((How::Masked, status)).or_default() += 1;
        } else {
            self.saved += 1;
        }
        self.attempts(entry);
    }

    /// Counts each failed attempt at the upstream that it was.
    fn attempts(&mut self, entry: &Entry<'_>) {
        let statuses = entry.upstream_status().take(MOST_ATTEMPTS);
        for (addr, attempt) in entry.upstream_addr().zip(statuses) {
            if let Some(status) = attempt.status().filter(|status| *status >= 500) {
                let addr = addr.value.get(..MOST_ADDR).unwrap_or(addr.value);
                self.upstreams.add(addr, status);
            }
        }
    }

    #[cold]
    fn unparsed(&mut self, line: &[u8]) {
        self.unparsed += 1;
        if self.samples.len() < SAMPLES {
            let line = line.get(..SAMPLE).unwrap_or(line);
            self.samples.push(without_queries(line));
        }
    }

    /// The times of the first and the last line of a block stand for all between them.
    fn look_at_time(&mut self, line: &[u8]) {
        let mut entry = Entry::default();
        if self.format.parse(line, &mut entry)
            && let Some(time) = entry.time()
        {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }

    /// Takes all of another.
    pub fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        self.unparsed += other.unparsed;
        self.bytes += other.bytes;
        self.samples.extend(other.samples);
        self.samples.truncate(SAMPLES);
        for (mine, other) in self.statuses.iter_mut().zip(other.statuses.iter()) {
            *mine += other;
        }
        self.span = match (self.span, other.span) {
            (Some(mine), Some(other)) => Some((mine.0.min(other.0), mine.1.max(other.1))),
            (mine, other) => mine.or(other),
        };
        for (key, count) in other.failures {
            *self.failures.entry(key).or_default() += count;
        }
        self.saved += other.saved;
        self.minutes.merge(other.minutes);
        self.routes.merge(other.routes);
        self.upstreams.merge(other.upstreams);
        self.upstream_time.merge(&other.upstream_time);
        self.request_time.merge(&other.request_time);
    }
}

/// The longest name of an upstream that is kept, in bytes.
const MOST_ADDR: usize = 120;

impl Take for Tally {
    fn lines(&mut self, lines: &[u8]) {
        let format = Arc::clone(&self.format);
        self.bytes += lines.len() as u64;
        let read = format.for_each_line(lines, |line| match line {
            Ok(entry) => self.entry(entry),
            Err(line) => self.unparsed(line),
        });
        self.lines += read.parsed + read.unparsed;
        let whole = lines.get(..read.bytes).unwrap_or_default();
        let ended = whole.strip_suffix(b"\n").unwrap_or_default();
        let first = memchr::memchr(b'\n', whole).and_then(|end| whole.get(..end));
        let last = memchr::memrchr(b'\n', ended).map_or(0, |at| at + 1);
        self.look_at_time(first.unwrap_or_default());
        self.look_at_time(ended.get(last..).unwrap_or_default());
        let rest = lines.get(read.bytes..).unwrap_or_default();
        if !rest.is_empty() {
            self.lines += 1;
            let mut entry = Entry::default();
            if format.parse(rest, &mut entry) {
                self.entry(&entry);
                self.look_at_time(rest);
            } else {
                self.unparsed(rest);
            }
        }
    }

    fn overlong(&mut self) {
        self.lines += 1;
        self.unparsed += 1;
    }
}

/// A line with `…` in place of what follows a `?`, up to a space or a quote.
fn without_queries(line: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(line.len());
    let mut hiding = false;
    for byte in line {
        hiding &= !matches!(byte, b' ' | b'"' | b'\'' | b'|' | b'\t');
        if !hiding {
            kept.push(*byte);
        }
        if *byte == b'?' && !hiding {
            hiding = true;
            kept.extend_from_slice("…".as_bytes());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::Escape;

    fn tally(format: &str) -> Tally {
        let format = Format::compile(format.as_bytes(), Escape::Default).expect("a format");
        Tally::new(&Arc::new(format))
    }

    #[test]
    fn lines_with_and_without_an_end_are_counted_once() {
        let mut tally = tally("$status $msec");
        tally.lines(b"200 1795363310.000\nodd?secret line\n500 1795363370.000\n");
        tally.lines(b"404 1795363300.000");
        tally.overlong();
        assert_eq!((tally.lines, tally.unparsed), (5, 2));
        assert_eq!(tally.samples, ["odd?… line".as_bytes()]);
        assert_eq!(
            tally.span,
            Some((1_795_363_300_000_000, 1_795_363_370_000_000))
        );
        assert_eq!(
            tally.statuses[404] + tally.statuses[500] + tally.statuses[200],
            3
        );
        assert_eq!(tally.failures, HashMap::from([((How::Untold, 500), 1)]));
    }

    #[test]
    fn upstreams_that_failed_are_counted_by_attempt() {
        let mut mine = tally("$status|$upstream_status|$upstream_addr|$upstream_response_time");
        mine.lines(b"200|502, 200|a:1, b:1|0.010, 0.020\n500|500|a:1|0.030\n200|200|b:1|0.001\n");
        let mut all = tally("$status");
        all.merge(mine);
        let (first, rest) = all.upstreams.first(9);
        assert_eq!((first.len(), rest, all.saved), (1, 0, 1));
        assert_eq!((first[0].0, first[0].1.total()), (&b"a:1"[..], 2));
        assert_eq!(
            (all.upstream_time.count(), all.upstream_time.most()),
            (4, 30)
        );
    }
}

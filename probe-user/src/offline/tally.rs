//! Counts the lines of access logs, in one of several threads.
//!
//! A response that did not fail costs its parsing and a few additions; all else is for failures.

use std::{collections::HashMap, sync::Arc};

use super::{
    formats::Chosen, minutes::Minutes, pairs::Pairs, route, secrets::without_secrets,
    spread::Spread, top::Top,
};
use crate::access_log::{
    Entry, Field,
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
#[derive(Default)]
pub struct Tally {
    format: Option<Arc<Chosen>>,
    /// Lines of this format since it was begun.
    in_format: u64,
    has_upstream: bool,
    has_upstream_time: bool,
    has_request_time: bool,
    /// Lines in all, and those of them that do not fit the format.
    pub lines: u64,
    /// Lines that do not fit.
    pub unparsed: u64,
    /// The first lines that do not fit.
    pub samples: Vec<Vec<u8>>,
    /// Responses by status, 0 to 999.
    pub statuses: Statuses,
    /// Failures and hidden failures, by kind and the status that the client was sent.
    pub failures: Failures,
    /// Requests that failed at one upstream and succeeded at the next.
    pub saved: u64,
    /// By the minute.
    pub minutes: Minutes,
    /// Failures by route.
    pub routes: Top<MOST_ROUTES>,
    /// Failed attempts by upstream.
    pub upstreams: Top<MOST_UPSTREAMS>,
    /// Attempts at upstreams: how long.
    pub upstream_time: Spread,
    /// Requests: how long.
    pub request_time: Spread,
    formats: Vec<(Arc<Chosen>, u64)>,
    route: Vec<u8>,
}

/// Failures by kind and the status that the client was sent.
pub type Failures = HashMap<(How, u16), u64>;

/// Responses by status, 0 to 999.
pub struct Statuses(pub Box<[u64; 1000]>);

impl Default for Statuses {
    fn default() -> Self {
        Self(Box::new([0; 1000]))
    }
}

impl Tally {
    /// The lines to come are of this format.
    pub fn begin(&mut self, format: &Arc<Chosen>) {
        if self
            .format
            .as_ref()
            .is_some_and(|now| Arc::ptr_eq(now, format))
        {
            return;
        }
        self.close();
        self.has_upstream = format.gives(Field::UpstreamStatus);
        self.has_upstream_time = format.gives(Field::UpstreamResponseTime);
        self.has_request_time = format.gives(Field::RequestTime);
        self.minutes.begin(format);
        self.format = Some(Arc::clone(format));
    }

    /// Puts away how many lines were in the format.
    fn close(&mut self) {
        let count = std::mem::take(&mut self.in_format);
        if let Some(format) = self.format.take().filter(|_| count > 0) {
            self.in_formats(format, count);
        }
    }

    fn in_formats(&mut self, format: Arc<Chosen>, count: u64) {
        let same = |known: &Chosen| known.name == format.name && known.shown == format.shown;
        match self.formats.iter_mut().find(|(known, _)| same(known)) {
            Some((_, known)) => *known += count,
            None => self.formats.push((format, count)),
        }
    }

    /// Puts the formats in an order by their names; of equals the more frequent comes first.
    pub fn order_formats(&mut self, place: impl Fn(&str) -> usize) {
        self.close();
        self.formats
            .sort_by_key(|(format, count)| (place(&format.name), std::cmp::Reverse(*count)));
    }

    /// The formats that lines were in, and how many.
    #[must_use]
    pub fn formats(&mut self) -> &[(Arc<Chosen>, u64)] {
        self.close();
        &self.formats
    }

    /// Counts a response.
    #[inline]
    pub fn entry(&mut self, entry: &Entry<'_>, pairs: &mut Pairs) {
        self.in_format += 1;
        let status = entry.status().unwrap_or(0);
        if let Some(count) = self.statuses.0.get_mut(usize::from(status)) {
            *count += 1;
        }
        let failed = status >= 500;
        self.minutes.add(entry, failed);
        if failed {
            self.failed(entry, status, pairs);
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
    fn failed(&mut self, entry: &Entry<'_>, status: u16, pairs: &mut Pairs) {
        let how = how::failed(entry, status, entry.escape());
        pairs.failure(entry, status, how);
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

    /// Counts a line that fits nothing.
    #[cold]
    pub fn unparsed(&mut self, line: &[u8]) {
        self.lines += 1;
        self.unparsed += 1;
        sample(&mut self.samples, line);
    }

    /// Takes all of another.
    pub fn merge(&mut self, mut other: Self) {
        self.close();
        other.close();
        for (format, count) in std::mem::take(&mut other.formats) {
            self.in_formats(format, count);
        }
        self.lines += other.lines;
        self.unparsed += other.unparsed;
        self.samples.extend(other.samples);
        self.samples.truncate(SAMPLES);
        for (mine, other) in self.statuses.0.iter_mut().zip(other.statuses.0.iter()) {
            *mine += other;
        }
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

/// Keeps the beginning of a line, if there is room for it and it is no mere piece.
pub fn sample(samples: &mut Vec<Vec<u8>>, line: &[u8]) {
    if samples.len() < SAMPLES && !line.is_empty() {
        let line = line.get(..SAMPLE).unwrap_or(line);
        samples.push(without_secrets(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::formats::given;

    fn tally(format: &str, lines: &[&str]) -> Tally {
        let chosen = Arc::new(given(format).expect("a format"));
        let mut tally = Tally::default();
        tally.begin(&chosen);
        for line in lines {
            let mut entry = Entry::default();
            assert!(chosen.parse(line.as_bytes(), &mut entry), "{line}");
            tally.entry(&entry, &mut Pairs::default());
        }
        tally
    }

    #[test]
    fn upstreams_that_failed_are_counted_by_attempt() {
        let mine = tally(
            "$status|$upstream_status|$upstream_addr|$upstream_response_time",
            &[
                "200|502, 200|a:1, b:1|0.010, 0.020",
                "500|500|a:1|0.030",
                "200|200|b:1|0.001",
            ],
        );
        let mut all = tally("$status", &["200"]);
        all.merge(mine);
        let (first, rest) = all.upstreams.first(9);
        assert_eq!((first.len(), rest, all.saved), (1, 0, 1));
        assert_eq!((first[0].0, first[0].1.total()), (&b"a:1"[..], 2));
        assert_eq!(
            (all.upstream_time.count(), all.upstream_time.most()),
            (4, 30)
        );
        let counts: Vec<_> = all.formats().iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [4]);
    }
}

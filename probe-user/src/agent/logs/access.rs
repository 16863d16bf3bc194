//! The lines of one access log, as facts and measurements.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    access_log::{Entry, Format},
    clock::Time,
    config::LogFormat,
    facts::Event,
    sinks::{metrics::Durations, printable::printable},
};

/// A failure that was logged longer ago than this belongs to the time of its line: the log is
/// buffered, or the agent was away.
const LATE: Duration = Duration::from_secs(2);
/// Seconds of late failures that one look tells apart.
const MAX_LATE: usize = 3600;
/// Between two messages about lines that do not fit.
const SAY_MISFITS_EVERY: Duration = Duration::from_mins(1);
/// How much of such a line is shown, in bytes.
const SAMPLE: usize = 200;
/// Formats that a line is tried with: those of the configuration, and those of the one before,
/// with which draining workers go on.
const MAX_FORMATS: usize = 8;

/// Failures or answers by status.
type Codes = BTreeMap<u16, u64>;

/// A format that a log may have, and how to read it.
pub(super) type Compiled = (Arc<LogFormat>, Arc<Format>);

/// Reads one access log.
pub(super) struct AccessReader {
    formats: Vec<Compiled>,
    durations: Durations,
    now: Option<Time>,
    codes: Codes,
    late: BTreeMap<u64, Codes>,
    unparsed: u64,
    misfits: u64,
    sample: String,
    said: Option<Instant>,
}

impl AccessReader {
    pub(super) fn new(formats: Vec<Compiled>, durations: Durations) -> Self {
        Self {
            formats,
            durations,
            now: None,
            codes: Codes::new(),
            late: BTreeMap::new(),
            unparsed: 0,
            misfits: 0,
            sample: String::new(),
            said: None,
        }
    }

    /// Another `access_log` names the same file.
    pub(super) fn add_formats(&mut self, formats: Vec<Compiled>) {
        for new in formats {
            if self.formats.len() < MAX_FORMATS && self.formats.iter().all(|(old, _)| *old != new.0)
            {
                self.formats.push(new);
            }
        }
    }

    pub(super) fn into_formats(self) -> Vec<Compiled> {
        self.formats
    }

    /// The configuration was read again.
    pub(super) fn set_formats(&mut self, formats: Vec<Compiled>) {
        let old = std::mem::replace(&mut self.formats, formats);
        self.add_formats(old);
    }

    pub(super) fn line(&mut self, line: &[u8]) {
        let mut entry = Entry::default();
        let fits = self
            .formats
            .iter()
            .any(|(_, format)| format.parse(line, &mut entry));
        if !fits {
            return self.misfit(line);
        }
        if let Some(micros) = entry.request_time() {
            self.durations.request.observe(seconds(micros));
        }
        for attempt in entry.upstream_response_time() {
            if let Some(micros) = attempt.micros() {
                self.durations.upstream.observe(seconds(micros));
            }
        }
        // A format without $status says that there was an answer, and not which.
        let Some(status) = entry.status() else {
            self.unparsed += 1;
            return;
        };
        let codes = match entry.time().filter(|_| status >= 500) {
            Some(logged) => self.codes_of(logged),
            None => &mut self.codes,
        };
        *codes.entry(status).or_default() += 1;
    }

    /// Where a failure that was logged then is counted, in microseconds since 1970.
    fn codes_of(&mut self, logged: i64) -> &mut Codes {
        let now = *self.now.get_or_insert_with(Time::now);
        let logged = Time(u64::try_from(logged).unwrap_or_default());
        if now.since(logged) <= LATE {
            return &mut self.codes;
        }
        let mut second = logged.0 / 1_000_000;
        if self.late.len() >= MAX_LATE && !self.late.contains_key(&second) {
            second = self.late.last_key_value().map_or(second, |(last, _)| *last);
        }
        self.late.entry(second).or_default()
    }

    fn misfit(&mut self, line: &[u8]) {
        self.unparsed += 1;
        self.misfits += 1;
        if self.sample.is_empty() {
            let part = line.get(..SAMPLE).unwrap_or(line);
            // What follows a question mark may be a secret.
            let query = memchr::memchr(b'?', part).unwrap_or(part.len());
            let part = part.get(..query).unwrap_or(part);
            self.sample = printable(String::from_utf8_lossy(part));
        }
    }

    /// Ends a look at the log: so many lines were read, so many were not, and these are the facts,
    /// oldest first. A time of `None` is now.
    pub(super) fn finish(&mut self) -> (u64, u64, Vec<(Option<Time>, Event)>) {
        self.now = None;
        let (codes, late) = (take(&mut self.codes), take(&mut self.late));
        let parsed = late.values().chain([&codes]).flat_map(Codes::values).sum();
        let late = late
            .into_iter()
            .map(|(second, codes)| (Some(Time(second * 1_000_000)), codes));
        let facts = late
            .chain((!codes.is_empty()).then_some((None, codes)))
            .map(|(time, codes)| (time, Event::Responses(codes)))
            .collect();
        (parsed, take(&mut self.unparsed), facts)
    }

    /// What is to be said about lines that do not fit, once in a while.
    pub(super) fn complaint(&mut self) -> Option<String> {
        let quiet = self
            .said
            .is_some_and(|said| said.elapsed() < SAY_MISFITS_EVERY);
        if self.misfits == 0 || quiet {
            return None;
        }
        self.said = Some(Instant::now());
        let names: Vec<_> = self
            .formats
            .iter()
            .map(|(format, _)| &*format.name)
            .collect();
        Some(format!(
            "{} lines do not fit the format {}, the first of them: {}",
            take(&mut self.misfits),
            names.join(" or "),
            take(&mut self.sample)
        ))
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "durations are far below 2^52 microseconds"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::metrics::Metrics;

    fn reader() -> AccessReader {
        let format = (
            Arc::new(LogFormat::combined()),
            Arc::new(Format::combined()),
        );
        AccessReader::new(vec![format], Metrics::new().durations("x"))
    }

    fn line(time: &str, status: u16) -> Vec<u8> {
        format!(r#"1.2.3.4 - - [{time}] "GET / HTTP/1.1" {status} 5 "-" "x""#).into_bytes()
    }

    #[test]
    fn a_late_failure_has_the_time_of_its_line() {
        let mut reader = reader();
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 502));
        reader.line(&line("01/Jan/2026:00:00:00 +0100", 500));
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 502));
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 200));
        reader.line(b"nonsense");
        let (parsed, unparsed, facts) = reader.finish();
        assert_eq!((parsed, unparsed), (4, 1));
        let shown: Vec<_> = facts
            .into_iter()
            .map(|(time, event)| match event {
                Event::Responses(codes) => (time.map(|time| time.to_string()), codes),
                other => panic!("{other:?}"),
            })
            .collect();
        let at = |second| Some(format!("2025-12-31T23:00:0{second}.000000Z"));
        assert_eq!(
            shown,
            [
                (at(0), BTreeMap::from([(500, 1)])),
                (at(1), BTreeMap::from([(502, 2)])),
                (None, BTreeMap::from([(200, 1)])),
            ]
        );
        assert!(reader.finish().2.is_empty());
    }

    #[test]
    fn misfits_are_shown_escaped_and_not_all_the_time() {
        let mut reader = reader();
        reader.line(b"\x1b[31mred?token=secret");
        reader.line(b"more");
        let said = reader.complaint().expect("something");
        assert!(
            said.starts_with("2 lines do not fit the format combined"),
            "{said}"
        );
        assert!(!said.contains('\x1b') && said.contains("red"), "{said}");
        assert!(!said.contains("secret"), "{said}");
        reader.line(b"again");
        assert_eq!(reader.complaint(), None);
    }

    #[test]
    fn a_reload_keeps_the_format_of_draining_workers() {
        let mut reader = reader();
        let text: Arc<[u8]> = b"$status $msec".to_vec().into();
        let new = Arc::new(LogFormat {
            name: "new".into(),
            text: Arc::clone(&text),
            ..LogFormat::combined()
        });
        let escape = crate::access_log::Escape::Default;
        let compiled = Format::compile(&text, escape).expect("a format");
        reader.set_formats(vec![(new, Arc::new(compiled))]);
        reader.line(b"200 1700000000.000");
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 200));
        assert_eq!(reader.finish().0, 2);
    }
}

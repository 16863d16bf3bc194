//! The lines of one access log, as facts and measurements.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    access_log::{Entry, Escape, Field, Format, how::How},
    clock::Time,
    config::LogFormat,
    facts::{Event, Logged},
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

/// Failures of one look that are told one by one; more are told by what they have in common.
const MAX_TOLD: usize = 4096;

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
    /// Failures, each with the second of its line when that is late.
    told: Vec<(Option<u64>, Logged)>,
    untold: BTreeMap<(Option<u64>, u16, How), u64>,
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
            told: Vec::new(),
            untold: BTreeMap::new(),
            unparsed: 0,
            misfits: 0,
            sample: String::new(),
            said: None,
        }
    }

    /// Whether its formats tell what upstreams answered.
    pub(super) fn has_upstream_status(&self) -> bool {
        let gives = |format: &Compiled| format.1.gives(Field::UpstreamStatus);
        self.formats.iter().all(gives)
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

    /// Takes a line; `better` may take an interest in an answer that is no failure.
    pub(super) fn line(
        &mut self,
        line: &[u8],
        better: impl FnOnce(u16, &Entry<'_>, Escape) -> Option<Logged>,
    ) {
        let mut entry = Entry::default();
        let mut formats = self.formats.iter();
        let Some((_, format)) = formats.find(|(_, format)| format.parse(line, &mut entry)) else {
            return self.misfit(line);
        };
        let escape = format.escape();
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
        let failed = Logged::of(&entry, escape).or_else(|| better(status, &entry, escape));
        let late = failed
            .as_ref()
            .and(entry.time())
            .and_then(|at| self.late(at));
        let codes = late.map_or(&mut self.codes, |second| {
            self.late.entry(second).or_default()
        });
        *codes.entry(status).or_default() += 1;
        if let Some(failed) = failed {
            self.failed(late, failed);
        }
    }

    fn failed(&mut self, late: Option<u64>, failed: Logged) {
        if self.told.len() < MAX_TOLD {
            self.told.push((late, failed));
        } else {
            let alike = (late, failed.status, failed.how);
            *self.untold.entry(alike).or_default() += 1;
        }
    }

    /// The second at which a failure that was logged then is counted, in microseconds since 1970;
    /// none when that is now.
    fn late(&mut self, logged: i64) -> Option<u64> {
        let now = *self.now.get_or_insert_with(Time::now);
        let logged = Time(u64::try_from(logged).unwrap_or_default());
        if now.since(logged) <= LATE {
            return None;
        }
        let second = logged.0 / 1_000_000;
        if self.late.len() >= MAX_LATE && !self.late.contains_key(&second) {
            return self.late.last_key_value().map(|(last, _)| *last);
        }
        Some(second)
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
        let codes = late
            .chain((!codes.is_empty()).then_some((None, codes)))
            .map(|(time, codes)| (time, Event::Responses(codes)));
        let alike = take(&mut self.untold).into_iter();
        let alike =
            alike.map(|((late, status, how), count)| (late, Logged::several(status, how, count)));
        let mut told = take(&mut self.told);
        told.extend(alike);
        // Oldest first, those of the same second in the order of the log.
        told.sort_by_key(|(late, _)| late.unwrap_or(u64::MAX));
        let told = told.into_iter().map(|(late, logged)| {
            let time = late.map(|second| Time(second * 1_000_000));
            (time, Event::Logged(Box::new(logged)))
        });
        (
            parsed,
            take(&mut self.unparsed),
            codes.chain(told).collect(),
        )
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
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 502), |_, _, _| None);
        reader.line(&line("01/Jan/2026:00:00:00 +0100", 500), |_, _, _| None);
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 502), |_, _, _| None);
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 200), |_, _, _| None);
        reader.line(b"nonsense", |_, _, _| None);
        let (parsed, unparsed, facts) = reader.finish();
        assert_eq!((parsed, unparsed), (4, 1));
        let text = |time: Option<Time>| time.map(|time| time.to_string());
        let (mut shown, mut failed) = (Vec::new(), Vec::new());
        for (time, event) in facts {
            match event {
                Event::Responses(codes) => shown.push((text(time), codes)),
                Event::Logged(logged) => failed.push((text(time), logged.status)),
                other => panic!("{other:?}"),
            }
        }
        let at = |second| Some(format!("2025-12-31T23:00:0{second}.000000Z"));
        assert_eq!(
            shown,
            [
                (at(0), BTreeMap::from([(500, 1)])),
                (at(1), BTreeMap::from([(502, 2)])),
                (None, BTreeMap::from([(200, 1)])),
            ]
        );
        assert_eq!(failed, [(at(0), 500), (at(1), 502), (at(1), 502)]);
        assert!(reader.finish().2.is_empty());
    }

    #[test]
    fn misfits_are_shown_escaped_and_not_all_the_time() {
        let mut reader = reader();
        reader.line(b"\x1b[31mred?token=secret", |_, _, _| None);
        reader.line(b"more", |_, _, _| None);
        let said = reader.complaint().expect("something");
        assert!(
            said.starts_with("2 lines do not fit the format combined"),
            "{said}"
        );
        assert!(!said.contains('\x1b') && said.contains("red"), "{said}");
        assert!(!said.contains("secret"), "{said}");
        reader.line(b"again", |_, _, _| None);
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
        reader.line(b"200 1700000000.000", |_, _, _| None);
        reader.line(&line("01/Jan/2026:00:00:01 +0100", 200), |_, _, _| None);
        assert_eq!(reader.finish().0, 2);
    }
}

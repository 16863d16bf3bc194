//! The lines of one error log, as facts and measurements.

use std::{collections::BTreeMap, mem::take, time::Duration};

use crate::{
    clock::Time,
    error_log::{Civil, Class, Level, Parsed, Zone, records},
    facts::{Event, Noted},
    rooted::Root,
    sinks::printable::printable,
};

/// Text that is gathered before it is read, in bytes: a message with line feeds is told from what
/// only looks like several by what comes before it.
const BLOCK: usize = 256 * 1024;
/// Room for such text that is kept from one look to the next, in bytes: there may be many logs.
const KEPT: usize = 4096;
/// The longest message that is passed on, in bytes.
const MAX_MESSAGE: usize = 500;
/// Refused configurations of one look that are passed on.
const MAX_REFUSED: usize = 16;

/// Messages about requests of one look that are passed on; more are counted by their class alone.
const MAX_NOTED: usize = 4096;

/// What was logged longer ago than this has the time of its line.
const LATE: Duration = Duration::from_secs(2);
/// Zones are whole quarters of an hour apart, and at most 14 hours from UTC.
const ZONE_STEP_S: u64 = 900;
const MAX_ZONES_APART_S: u64 = 28 * 3600;

/// Reads one error log.
#[derive(Default)]
pub(super) struct ErrorReader {
    zone: Zone,
    /// A look found nothing new: what comes now is written now, or was while nobody could read it.
    caught_up: bool,
    read_any: bool,
    block: Vec<u8>,
    messages: BTreeMap<(Level, &'static str), u64>,
    refused: Vec<(Option<Civil>, String)>,
    noted: Vec<(Civil, Box<Noted>)>,
    parsed: u64,
    unparsed: u64,
    /// A record came before, so that a continuation may be its.
    begun: bool,
}

/// What a look at an error log gave.
pub(super) struct Messages {
    /// Lines read.
    pub parsed: u64,
    /// Lines that are not nginx's.
    pub unparsed: u64,
    /// Messages by level and class.
    pub counts: BTreeMap<(Level, &'static str), u64>,
    /// What follows from them, in the order of the log. A time of `None` is now.
    pub facts: Vec<(Option<Time>, Event)>,
}

impl ErrorReader {
    /// Of a log that processes in this root write.
    pub(super) fn of(root: &Root) -> Self {
        Self {
            zone: Zone::of_root(root),
            ..Self::default()
        }
    }

    pub(super) fn line(&mut self, line: &[u8]) {
        if self.block.len() + line.len() >= BLOCK {
            self.read();
        }
        self.read_any = true;
        self.block.extend_from_slice(line);
        self.block.push(b'\n');
    }

    fn read(&mut self) {
        let block = take(&mut self.block);
        for record in records(&block) {
            let lines = u64::from(record.lines);
            let (time, level, class, message) = match Parsed::of(record.bytes) {
                Parsed::Line(line) => {
                    if self.noted.len() < MAX_NOTED
                        && let Some(noted) = Noted::of(&line)
                    {
                        self.noted.push((line.time, Box::new(noted)));
                    }
                    (Some(line.time), line.level, line.class, line.message)
                }
                Parsed::Console(line) => {
                    let level = line.level.unwrap_or(Level::Emerg);
                    (None, level, line.class, line.message)
                }
                Parsed::Continuation(_) => {
                    if self.begun {
                        self.parsed += lines;
                    } else {
                        self.unparsed += lines;
                    }
                    continue;
                }
            };
            self.begun = true;
            self.parsed += lines;
            self.count(time, level, class, message);
        }
        self.block = block;
        self.block.clear();
    }

    fn count(&mut self, time: Option<Civil>, level: Level, class: &'static Class, message: &[u8]) {
        *self.messages.entry((level, class.name)).or_default() += 1;
        let refused = ["config_refused", "log_open_failed"].contains(&class.name);
        if refused && self.refused.len() < MAX_REFUSED {
            let message = message.get(..MAX_MESSAGE).unwrap_or(message);
            let message = printable(String::from_utf8_lossy(message));
            self.refused.push((time, message));
        }
    }

    /// Ends a look at the log.
    pub(super) fn finish(&mut self) -> Messages {
        self.read();
        self.block.shrink_to(KEPT);
        let now = Time::now();
        let refused = take(&mut self.refused).into_iter().map(|(time, message)| {
            let late = time.and_then(|time| self.late(time, now));
            (late, Event::ConfigRefused(message))
        });
        let mut facts: Vec<_> = refused.collect();
        for (time, noted) in take(&mut self.noted) {
            facts.push((self.late(time, now), Event::Noted(noted)));
        }
        self.caught_up |= !take(&mut self.read_any);
        Messages {
            parsed: take(&mut self.parsed),
            unparsed: take(&mut self.unparsed),
            counts: take(&mut self.messages),
            facts,
        }
    }

    /// When a line was written that is read late; `None` for one that was written just now. A log
    /// that is read as it is written may belong to an nginx with a zone of its own (`TZ`): then the
    /// last line is late by whole quarters of an hour, and is not late at all.
    fn late(&self, civil: Civil, now: Time) -> Option<Time> {
        let logged = self.zone.time_of(civil, now);
        let age = now.since(logged);
        let of_another_zone = age.as_secs() <= MAX_ZONES_APART_S
            && age.as_secs() % ZONE_STEP_S <= LATE.as_secs()
            && self.caught_up;
        (age > LATE && !of_another_zone).then_some(logged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_and_a_refused_configuration_is_passed_on() {
        let mut reader = ErrorReader::default();
        for line in [
            "2026/01/02 03:04:05 [emerg] 7#7: unknown directive \"oops\" in /etc/nginx/nginx.conf:3",
            "2026/01/02 03:04:06 [error] 8#8: *1 lua entry thread aborted: runtime error: x",
            "stack traceback:",
            "coroutine 0:, client: 127.0.0.1, server: , request: \"GET / HTTP/1.1\", host: \"x\"",
        ] {
            reader.line(line.as_bytes());
        }
        let messages = reader.finish();
        assert_eq!((messages.parsed, messages.unparsed), (4, 0));
        let counts: Vec<_> = messages.counts.into_iter().collect();
        assert_eq!(counts.len(), 2, "{counts:?}");
        assert_eq!(counts[0], ((Level::Emerg, "config_refused"), 1));
        assert!(matches!(
            &messages.facts[..],
            [(Some(time), Event::ConfigRefused(message)), (Some(_), Event::Noted(note))]
                if message.contains("unknown directive")
                    && time.to_string() == "2026-01-02T03:04:05.000000Z"
                    && note.client.as_deref() == Some("127.0.0.1")
                    && note.request.as_ref().is_some_and(|request| request.path == "/")
        ));
        assert!(reader.finish().counts.is_empty());
    }

    /// Lines of configurations that were refused so many seconds ago, as the times of their facts
    /// tell it.
    fn ages(reader: &mut ErrorReader, written: &[u64]) -> Vec<Option<u64>> {
        let now = Time::now();
        for age in written {
            let time = Time(now.0 - age * 1_000_000).to_string();
            let time = time[..19].replace('-', "/").replace('T', " ");
            reader.line(format!("{time} [emerg] 7#7: unknown directive \"x\" in /x:3").as_bytes());
        }
        let facts = reader.finish().facts;
        let age = |time: Option<Time>| Some((now.since(time?).as_micros() + 500_000) / 1_000_000);
        facts
            .into_iter()
            .map(|(time, _)| age(time).map(|age| u64::try_from(age).expect("small")))
            .map(|age| age.map(|age| age / 10 * 10))
            .collect()
    }

    #[test]
    fn each_refused_configuration_has_the_time_of_its_line() {
        let mut reader = ErrorReader::default();
        assert_eq!(
            ages(&mut reader, &[7205, 3605, 0]),
            [Some(7200), Some(3600), None]
        );
        // To the minute two hours ago: written then, and not by a clock of another zone.
        assert_eq!(ages(&mut reader, &[7201]), [Some(7200)]);
    }

    #[test]
    fn a_clock_of_another_zone_does_not_make_a_new_line_old() {
        let mut reader = ErrorReader::default();
        assert!(reader.finish().facts.is_empty());
        assert_eq!(
            ages(&mut reader, &[5 * 3600, 3605, 0]),
            [None, Some(3600), None]
        );
    }

    #[test]
    fn a_burst_leaves_no_room_taken() {
        let mut reader = ErrorReader::default();
        for _ in 0..5000 {
            reader.line(&[b'x'; 100]);
        }
        assert!(reader.block.capacity() > KEPT);
        assert_eq!(reader.finish().unparsed, 5000);
        assert!(
            reader.block.capacity() <= KEPT,
            "{}",
            reader.block.capacity()
        );
    }

    #[test]
    fn what_is_not_nginxs_is_counted_as_unparsed() {
        let mut reader = ErrorReader::default();
        reader.line(b"hello");
        let messages = reader.finish();
        assert_eq!((messages.parsed, messages.unparsed), (0, 1));
    }
}

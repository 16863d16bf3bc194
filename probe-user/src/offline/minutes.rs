//! Responses and failures by the minute.

use std::collections::HashMap;

use super::formats::Chosen;
use crate::access_log::{Entry, Field};

/// Minutes that are kept: a month of them.
const MOST: usize = 44_640;

/// The counts of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Responses.
    pub responses: u64,
    /// Those with a status of 500 and above.
    pub failures: u64,
}

/// Counts by minute since 1970-01-01 UTC.
///
/// A time is read only when the text of its minute differs from that of the line before.
#[derive(Clone, Debug, Default)]
pub struct Minutes {
    field: Option<Field>,
    key: Option<Key>,
    now: Option<i64>,
    current: Minute,
    all: HashMap<i64, Minute>,
    /// The earliest and the latest time, in microseconds since 1970-01-01 UTC.
    span: Option<(i64, i64)>,
    /// A time with the key, what is in its text and not in the key, and the least and the most of that
    /// in other lines with the key.
    shown: Option<(i64, u64)>,
    least: u64,
    most: u64,
    /// Minutes without a failure that were given up.
    pub incomplete: bool,
}

/// What the text of a time says about its minute, and nothing more.
type Key = (u128, u64);
/// What a text says beside its key, as digits in the order of time.
type Fine = u64;

impl Minutes {
    /// The lines to come are of this format.
    pub fn begin(&mut self, format: &Chosen) {
        self.close();
        let fields = [Field::Msec, Field::TimeIso8601, Field::TimeLocal];
        self.field = fields.into_iter().find(|field| format.gives(*field));
    }

    /// Counts a response.
    #[inline]
    pub fn add(&mut self, entry: &Entry<'_>, failed: bool) {
        let (key, fine) = match self.field.and_then(|field| key(field, entry.get(field)?)) {
            Some((key, fine)) => (Some(key), fine),
            None => (None, 0),
        };
        if key.is_none() || key != self.key {
            self.change(entry, key, fine);
        }
        self.least = self.least.min(fine);
        self.most = self.most.max(fine);
        self.current.responses += 1;
        self.current.failures += u64::from(failed);
    }

    #[cold]
    fn change(&mut self, entry: &Entry<'_>, key: Option<Key>, fine: Fine) {
        self.close_key();
        let time = entry.time();
        let minute = time.map(|micros| micros.div_euclid(60_000_000));
        if minute != self.now {
            self.close();
        }
        (self.now, self.key) = (minute, key);
        self.shown = time.map(|time| (time, fine));
        (self.least, self.most) = (fine, fine);
    }

    /// Puts away the times that had the same key.
    fn close_key(&mut self) {
        let Some((time, fine)) = self.shown.take() else {
            return;
        };
        for other in [self.least, self.most] {
            let other = time + micros(other) - micros(fine);
            let (first, last) = self.span.unwrap_or((other, other));
            self.span = Some((first.min(other), last.max(other)));
        }
    }

    /// The earliest and the latest time, in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn span(&mut self) -> Option<(i64, i64)> {
        self.close();
        self.span
    }

    /// Puts away what was counted for the current minute.
    fn close(&mut self) {
        self.close_key();
        let counted = std::mem::take(&mut self.current);
        self.key = None;
        let Some(now) = self.now.take().filter(|_| counted.responses > 0) else {
            return;
        };
        if self.all.len() >= MOST && !self.all.contains_key(&now) {
            self.give_up();
        }
        let minute = self.all.entry(now).or_default();
        minute.responses += counted.responses;
        minute.failures += counted.failures;
    }

    /// Minutes without failures go first, then those with the fewest.
    fn give_up(&mut self) {
        let mut failures: Vec<u64> = self.all.values().map(|minute| minute.failures).collect();
        let middle = failures.len() / 2;
        let (_, limit, _) = failures.select_nth_unstable(middle);
        let limit = *limit;
        self.all.retain(|_, minute| minute.failures > limit);
        self.incomplete = true;
    }

    /// Takes all of another.
    pub fn merge(&mut self, mut other: Self) {
        self.close();
        other.close();
        self.incomplete |= other.incomplete;
        self.span = match (self.span, other.span) {
            (Some(mine), Some(other)) => Some((mine.0.min(other.0), mine.1.max(other.1))),
            (mine, other) => mine.or(other),
        };
        for (minute, counts) in other.all {
            let mine = self.all.entry(minute).or_default();
            mine.responses += counts.responses;
            mine.failures += counts.failures;
        }
    }

    /// The minutes with the most failures, at most `count`, as seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn worst(&mut self, count: usize) -> Vec<(i64, Minute)> {
        self.close();
        let failed = self.all.iter().filter(|(_, minute)| minute.failures > 0);
        let mut failed: Vec<_> = failed.map(|(at, minute)| (at * 60, *minute)).collect();
        failed.sort_by(|a, b| b.1.failures.cmp(&a.1.failures).then(a.0.cmp(&b.0)));
        failed.truncate(count);
        failed
    }
}

/// Equal for times of one minute in one zone; none for what has no usual length.
#[inline]
fn key(field: Field, text: &[u8]) -> Option<(Key, Fine)> {
    let head = || text.first_chunk().map(|head| u128::from_le_bytes(*head));
    let two = |at: usize| {
        text.get(at..)?
            .first_chunk::<2>()
            .map(|two| u64::from(u16::from_be_bytes(*two)))
    };
    match (field, text.len()) {
        // `22/Nov/2026:16:01:50 +0000`, without its bytes 18 and 19.
        (Field::TimeLocal, 26) => {
            let (_, tail) = text.split_last_chunk::<8>()?;
            let tail = u64::from_le_bytes(*tail) & !0xffff;
            Some(((head()?, tail ^ u64::from(*text.get(16)?)), two(18)?))
        }
        // `2026-11-22T16:01:50+00:00`, without its bytes 17 and 18.
        (Field::TimeIso8601, 25) => {
            let (_, tail) = text.split_last_chunk::<8>()?;
            Some(((head()?, u64::from_le_bytes(*tail) & !0xffff), two(17)?))
        }
        // `1795363310.123`: nine digits are ten seconds, and a minute has six of these.
        (Field::Msec, 14) => {
            let digits = text.first_chunk::<8>()?;
            let (_, fine) = text.split_last_chunk::<5>()?;
            let [second, _, a, b, c] = *fine;
            let fine = u32::from_be_bytes([second, a, b, c]);
            Some((
                (u64::from_le_bytes(*digits).into(), u64::from(*text.get(8)?)),
                fine.into(),
            ))
        }
        _ => None,
    }
}

/// Microseconds of the digits beside a key: two of seconds, or one and three behind the point.
fn micros(fine: Fine) -> i64 {
    let bytes = u32::try_from(fine)
        .unwrap_or(0)
        .to_be_bytes()
        .map(|byte| i64::from(byte & 0xf));
    match bytes {
        [0, 0, tens, ones] if fine <= 0xffff => (tens * 10 + ones) * 1_000_000,
        [ones, a, b, c] => ((ones * 10 + a) * 100 + b * 10 + c) * 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::formats::given;

    fn counted(variable: &str, times: &[&str]) -> Vec<(i64, Minute)> {
        let format = given(&format!("{variable} $status")).expect("a format");
        let mut minutes = Minutes::default();
        minutes.begin(&format);
        for time in times {
            let mut entry = Entry::default();
            let line = format!("{time} 500");
            assert!(format.parse(line.as_bytes(), &mut entry), "{time}");
            minutes.add(&entry, true);
        }
        minutes.worst(99)
    }

    fn of(at: i64, count: u64) -> (i64, Minute) {
        let (responses, failures) = (count, count);
        (
            at,
            Minute {
                responses,
                failures,
            },
        )
    }

    #[test]
    fn minutes_are_told_apart_in_every_variable() {
        let local = [
            "22/Nov/2026:16:01:50 +0000",
            "22/Nov/2026:16:01:59 +0000",
            "22/Nov/2026:16:02:00 +0000",
            "22/Nov/2026:17:01:01 +0100",
            "22/Nov/2026:16:11:59 +0000",
            "22/Nov/2026:16:01:59 -0001",
        ];
        let expected = [
            of(1_795_363_260, 3),
            of(1_795_363_320, 2),
            of(1_795_363_860, 1),
        ];
        assert_eq!(counted("$time_local", &local), expected);
        let iso = [
            "2026-11-22T16:01:50+00:00",
            "2026-11-22T16:01:09+00:00",
            "2026-11-22T17:01:00+01:00",
            "2026-11-22T16:02:00+00:00",
        ];
        let expected = [of(1_795_363_260, 3), of(1_795_363_320, 1)];
        assert_eq!(counted("$time_iso8601", &iso), expected);
        let msec = ["1795363310.123", "1795363319.999", "1795363320.000"];
        let expected = [of(1_795_363_260, 2), of(1_795_363_320, 1)];
        assert_eq!(counted("$msec", &msec), expected);
        assert_eq!(counted("$status", &["200"]), []);
    }

    #[test]
    fn the_span_is_that_of_all_lines_in_whatever_order() {
        let span = |variable: &str, times: &[&str]| {
            let format = given(&format!("{variable} $status")).expect("a format");
            let mut minutes = Minutes::default();
            minutes.begin(&format);
            for time in times {
                let mut entry = Entry::default();
                let line = format!("{time} 200");
                assert!(format.parse(line.as_bytes(), &mut entry), "{time}");
                minutes.add(&entry, false);
            }
            minutes.span()
        };
        let local = [
            "22/Nov/2026:16:01:50 +0000",
            "22/Nov/2026:16:01:59 +0000",
            "22/Nov/2026:16:01:07 +0000",
            "22/Nov/2026:16:00:58 +0000",
            "22/Nov/2026:17:00:30 +0100",
            "99/Nov/2026:17:00:30 +0100",
        ];
        let minute = 1_795_363_260_000_000;
        assert_eq!(
            span("$time_local", &local),
            Some((minute - 30_000_000, minute + 59_000_000))
        );
        let msec = ["1795363310.123", "1795363319.999", "1795363319.998"];
        let expected = (1_795_363_310_123_000, 1_795_363_319_999_000);
        assert_eq!(span("$msec", &msec), Some(expected));
        assert_eq!(span("$http_x", &["x"]), None);
    }

    #[test]
    fn minutes_are_bounded_and_the_worst_stay() {
        let format = given("$msec $status").expect("a format");
        let mut minutes = Minutes::default();
        minutes.begin(&format);
        for n in 0..MOST + 10 {
            let line = format!("{}.000 500", 1_795_363_260 + n * 60);
            let mut entry = Entry::default();
            assert!(format.parse(line.as_bytes(), &mut entry), "{line}");
            minutes.add(&entry, n == 7 || n == MOST + 9);
        }
        assert!(minutes.all.len() <= MOST && minutes.incomplete);
        assert_eq!(minutes.worst(9).len(), 2);
    }
}

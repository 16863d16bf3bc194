//! Responses and failures by the minute.

use std::collections::HashMap;

use crate::access_log::{Entry, Field, Format};

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
    /// Minutes without a failure that were given up.
    pub incomplete: bool,
}

/// What the text of a time says about its minute, and nothing more.
type Key = (u128, u64);

impl Minutes {
    /// The lines to come are of this format.
    pub fn begin(&mut self, format: &Format) {
        self.close();
        let fields = [Field::Msec, Field::TimeIso8601, Field::TimeLocal];
        self.field = fields.into_iter().find(|field| format.gives(*field));
    }

    /// Counts a response.
    #[inline]
    pub fn add(&mut self, entry: &Entry<'_>, failed: bool) {
        let key = self.field.and_then(|field| key(field, entry.get(field)?));
        if key.is_none() || key != self.key {
            self.change(entry, key);
        }
        self.current.responses += 1;
        self.current.failures += u64::from(failed);
    }

    #[cold]
    fn change(&mut self, entry: &Entry<'_>, key: Option<Key>) {
        let minute = entry.time().map(|micros| micros.div_euclid(60_000_000));
        if minute != self.now {
            self.close();
        }
        (self.now, self.key) = (minute, key);
    }

    /// Puts away what was counted for the current minute.
    fn close(&mut self) {
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
fn key(field: Field, text: &[u8]) -> Option<Key> {
    let head = || text.first_chunk().map(|head| u128::from_le_bytes(*head));
    match (field, text.len()) {
        // `22/Nov/2026:16:01:50 +0000`, without its bytes 18 and 19.
        (Field::TimeLocal, 26) => {
            let (_, tail) = text.split_last_chunk::<8>()?;
            let tail = u64::from_le_bytes(*tail) & !0xffff;
            Some((head()?, tail ^ u64::from(*text.get(16)?)))
        }
        // `2026-11-22T16:01:50+00:00`, without its bytes 17 and 18.
        (Field::TimeIso8601, 25) => {
            let (_, tail) = text.split_last_chunk::<8>()?;
            Some((head()?, u64::from_le_bytes(*tail) & !0xffff))
        }
        // `1795363310.123`: nine digits are ten seconds, and a minute has six of these.
        (Field::Msec, 14) => {
            let digits = text.first_chunk::<8>()?;
            let digits = u64::from_le_bytes(*digits);
            Some((digits.into(), u64::from(*text.get(8)?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::Escape;

    fn counted(variable: &str, times: &[&str]) -> Vec<(i64, Minute)> {
        let format = Format::compile(variable.as_bytes(), Escape::Default).expect("a format");
        let mut minutes = Minutes::default();
        minutes.begin(&format);
        for time in times {
            let mut entry = Entry::default();
            assert!(format.parse(time.as_bytes(), &mut entry), "{time}");
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
    fn minutes_are_bounded_and_the_worst_stay() {
        let format = Format::compile(b"$msec", Escape::Default).expect("a format");
        let mut minutes = Minutes::default();
        minutes.begin(&format);
        for n in 0..MOST + 10 {
            let line = format!("{}.000", 1_795_363_260 + n * 60);
            let mut entry = Entry::default();
            assert!(format.parse(line.as_bytes(), &mut entry), "{line}");
            minutes.add(&entry, n == 7 || n == MOST + 9);
        }
        assert!(minutes.all.len() <= MOST && minutes.incomplete);
        assert_eq!(minutes.worst(9).len(), 2);
    }
}

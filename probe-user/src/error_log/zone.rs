//! The zone of the clock on nginx's wall: the log says nothing of it.

use std::io::Read as _;
use std::path::Path;

use jiff::civil::{Date, DateTime, Time as Clock};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::Civil;
use crate::clock::Time;
use crate::rooted::Root;

/// The file from which the C library has its zone, unless `TZ` says another.
const LOCALTIME: &str = "/etc/localtime";
/// The longest such file that is read, in bytes; the longest of tzdata has 4 KiB.
const MAX_FILE: u64 = 64 * 1024;

/// A time zone.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// The zone of the processes in `root`, which is UTC where nothing says another, as for the C
    /// library. A `TZ` in nginx's environment cannot be known: its title lies over it.
    #[must_use]
    pub fn of_root(root: &Root) -> Self {
        let read = || {
            let (file, _) = root.open_regular(Path::new(LOCALTIME)).ok()?;
            let mut bytes = Vec::new();
            file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
            Self::of_file(&bytes)
        };
        read().unwrap_or_default()
    }

    fn of_file(bytes: &[u8]) -> Option<Self> {
        TimeZone::tzif("", bytes).ok().map(Self)
    }

    /// When the clock showed `civil`, and not later than `now`. Of the two times that it showed an
    /// hour which came twice, that is the later one that has come; an hour that was left out is
    /// read by the clock before it.
    #[must_use]
    pub fn time_of(&self, civil: Civil, now: Time) -> Time {
        let offsets = match date_time(civil).map(|it| self.0.to_ambiguous_timestamp(it).offset()) {
            Some(AmbiguousOffset::Unambiguous { offset }) => [offset, offset],
            Some(AmbiguousOffset::Gap { before, .. }) => [before, before],
            Some(AmbiguousOffset::Fold { before, after }) => [before, after],
            None => return now,
        };
        let [early, late] = offsets.map(|offset| {
            let seconds = u64::try_from(civil.unix(offset.seconds())).unwrap_or(0);
            Time(seconds.saturating_mul(1_000_000))
        });
        if late <= now { late } else { early.min(now) }
    }
}

fn date_time(civil: Civil) -> Option<DateTime> {
    let part = |value: u8| i8::try_from(value).ok();
    let year = i16::try_from(civil.year).ok()?;
    let date = Date::new(year, part(civil.month)?, part(civil.day)?).ok()?;
    // 60 is a leap second.
    let second = part(civil.second.min(59))?;
    let clock = Clock::new(part(civil.hour)?, part(civil.minute)?, second, 0).ok()?;
    Some(date.to_datetime(clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        let rule = "CET-1CEST,M3.5.0,M10.5.0/3";
        Zone(TimeZone::posix(rule).unwrap())
    }

    fn shown(zone: &Zone, civil: &str, now: &str) -> String {
        let now = humantime::parse_rfc3339(now).unwrap();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = Time(u64::try_from(now.as_micros()).unwrap());
        let civil = Civil::parse(civil.as_bytes()).unwrap();
        zone.time_of(civil, now).to_string().replace(".000000", "")
    }

    #[test]
    fn winter_summer_and_the_hours_between() {
        let later = "2026-12-24T00:00:00Z";
        for (civil, now, expected) in [
            ("2026/01/02 03:04:05", later, "2026-01-02T02:04:05Z"),
            ("2026/07/02 03:04:05", later, "2026-07-02T01:04:05Z"),
            // 02:30 came twice on 25 October.
            ("2026/10/25 02:30:00", later, "2026-10-25T01:30:00Z"),
            (
                "2026/10/25 02:30:00",
                "2026-10-25T00:31:00Z",
                "2026-10-25T00:30:00Z",
            ),
            // And not at all on 29 March.
            ("2026/03/29 02:30:00", later, "2026-03-29T01:30:00Z"),
            // What is still to come, and what never was.
            ("2027/01/01 00:00:00", later, later),
            ("2026/02/31 00:00:00", later, later),
            ("0000/01/01 00:00:00", later, "1970-01-01T00:00:00Z"),
            ("2016/12/31 23:59:60", later, "2016-12-31T23:00:00Z"),
        ] {
            assert_eq!(shown(&berlin(), civil, now), expected, "{civil} at {now}");
        }
    }

    #[test]
    fn the_zone_is_that_of_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        let (civil, now) = ("2026/01/02 03:04:05", "2026-12-24T00:00:00Z");
        let in_root = || shown(&Zone::of_root(&root), civil, now);
        assert_eq!(in_root(), "2026-01-02T03:04:05Z");
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let file = folder.path().join("etc/localtime");
        std::fs::write(&file, "no zone").unwrap();
        assert_eq!(in_root(), "2026-01-02T03:04:05Z");
        std::fs::write(&file, tokyo()).unwrap();
        assert_eq!(in_root(), "2026-01-01T18:04:05Z");
    }

    /// A file of version 2 with no change in it: nine hours ahead for ever.
    fn tokyo() -> Vec<u8> {
        let mut file = Vec::new();
        for _ in 0..2 {
            file.extend(b"TZif2");
            file.extend([0; 15]);
            // isutc, isstd, leap, time, type and character counts.
            for count in [0_u32, 0, 0, 0, 1, 4] {
                file.extend(count.to_be_bytes());
            }
            file.extend(32_400_i32.to_be_bytes());
            file.extend([0, 0]);
            file.extend(b"JST\0");
        }
        file.extend(b"\nJST-9\n");
        file
    }
}

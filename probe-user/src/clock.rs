//! Times: the kernel's, in nanoseconds since boot, and the operator's, in UTC.

use std::{
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds since 1970-01-01 UTC. Written as RFC 3339 with microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The last time that can be written.
    pub const LAST: Self = Self(253_402_300_799_999_999);

    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self(nanoseconds(clock_gettime(ClockId::Realtime)) / 1000)
    }

    /// The time of an event that the kernel stamped with its time since boot.
    #[must_use]
    pub fn of_boot_ns(boot_ns: u64) -> Self {
        let age = boot_ns_now().saturating_sub(boot_ns);
        Self(Self::now().0.saturating_sub(age / 1000))
    }

    /// The time of a file, for example.
    #[must_use]
    pub fn of_system(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::default().plus(since)
    }

    /// How long this is after `earlier`; zero when it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This time, later by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// As a time of the standard library.
    #[must_use]
    pub fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.0)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // RFC 3339 has no later year.
        humantime::format_rfc3339_micros((*self).min(Self::LAST).system()).fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads RFC 3339, of any offset, from 1970 to 9999.
impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time: Timestamp = text
            .parse()
            .map_err(|_| format!("{text} is no time such as 2026-01-02T03:04:05Z"))?;
        u64::try_from(time.as_microsecond())
            .map(Self)
            .map_err(|_| format!("{text} is before 1970"))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl de::Visitor<'_> for Reads {
            type Value = Time;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time as RFC 3339 has it")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                let time = humantime::parse_rfc3339(text).map_err(E::custom)?;
                let since = time.duration_since(UNIX_EPOCH).map_err(E::custom)?;
                u64::try_from(since.as_micros())
                    .map(Time)
                    .map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Reads)
    }
}

/// For `with`: a duration as a number of microseconds.
pub(crate) mod micros {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    fn of(duration: Duration) -> u64 {
        u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(of(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }

    /// The same for one that may be missing.
    pub(crate) mod optional {
        use super::{Deserializer, Duration, Serializer, of};
        use serde::{Deserialize as _, Serialize as _};

        #[allow(clippy::ref_option, reason = "serde gives it so")]
        pub(crate) fn serialize<S: Serializer>(
            duration: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            duration.map(of).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_micros))
        }
    }
}

/// Nanoseconds since boot, time asleep included: the clock of the kernel's records.
#[must_use]
pub fn boot_ns_now() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_microseconds() {
        assert_eq!(
            Time(1_700_000_000_000_001).to_string(),
            "2023-11-14T22:13:20.000001Z"
        );
        assert_eq!(
            serde_json::to_string(&Time(0)).ok().as_deref(),
            Some("\"1970-01-01T00:00:00.000000Z\"")
        );
    }

    #[test]
    fn what_was_written_is_read_again() {
        for time in [0, 1, 999_999, 1_700_000_000_000_001, Time::LAST.0] {
            let text = serde_json::to_string(&Time(time)).expect("a time");
            let read: Time = serde_json::from_str(&text).expect("the same");
            assert_eq!(read, Time(time), "{text}");
        }
        assert_eq!(Time(u64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
        for text in ["\"1969-12-31T23:59:59Z\"", "\"now\"", "7"] {
            assert!(serde_json::from_str::<Time>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_asked_for_can_be_read() {
        for time in [Time(0), Time(1_700_000_000_000_001)] {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        let hour = Time(3_600_000_000);
        assert_eq!("1970-01-01T02:00:00+01:00".parse(), Ok(hour));
        // The last that is read can be written too.
        let last: Time = "9999-12-30T22:00:00Z".parse().expect("a time");
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.000000Z");
        for text in [
            "",
            "1969-12-31T23:59:59Z",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "10000-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn boot_times_fall_where_they_belong() {
        let past = Time::of_boot_ns(boot_ns_now() - 5_000_000_000);
        let age = Time::now().since(past);
        assert!(
            age >= Duration::from_secs(5) && age < Duration::from_secs(7),
            "{age:?}"
        );
        assert_eq!(Time(5).since(Time(9)), Duration::ZERO);
    }
}

//! A moment, as an operator says it.

use std::{str::FromStr, time::Duration};

use crate::clock::Time;

/// `24h` back from now, or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Time),
}

impl When {
    /// The moment, seen from `now`.
    #[must_use]
    pub fn time(self, now: Time) -> Time {
        match self {
            Self::Ago(duration) => {
                let back = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                Time(now.0.saturating_sub(back))
            }
            Self::At(time) => time,
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(duration) = humantime::parse_duration(text) {
            return Ok(Self::Ago(duration));
        }
        text.parse().map(Self::At).map_err(|_| {
            format!(
                "{text} is neither a duration back from now, such as 24h, 90m or 7d, nor a time, \
                 such as 2026-01-02T03:04:05Z"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_go_back_and_times_stand() {
        let now = Time(10_000_000_000_000);
        let time = |text: &str| text.parse::<When>().map(|when| when.time(now));
        let minute = 60_000_000;
        assert_eq!(time("90m"), Ok(Time(now.0 - 90 * minute)));
        assert_eq!(time("24h"), Ok(Time(now.0 - 24 * 60 * minute)));
        assert_eq!(time("7d"), time("168h"));
        assert_eq!(time("9000y"), Ok(Time(0)), "before 1970");
        assert_eq!(time("1970-01-01T00:01:00Z"), Ok(Time(minute)));
        assert_eq!(time("1970-01-01T01:01:00+01:00"), Ok(Time(minute)));
        for text in [
            "",
            "24",
            "yesterday",
            "-1h",
            "2026-01-02",
            "99999999999999999999y",
        ] {
            let error = time(text).expect_err(text);
            assert!(error.contains("24h, 90m or 7d"), "{error}");
        }
    }
}

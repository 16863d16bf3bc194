//! The time of a line: a clock on the wall, without a zone.

/// What nginx's host showed as local time. The log does not say in which zone that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

impl Civil {
    /// The length of `2026/11/22 19:03:20`.
    pub const LENGTH: usize = 19;

    /// Reads `YYYY/MM/DD HH:MM:SS` at the start of `text`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; Self::LENGTH] = text.first_chunk()?;
        let [y0, y1, y2, y3, b'/', m0, m1, b'/', d0, d1, b' ', rest @ ..] = text else {
            return None;
        };
        let [h0, h1, b':', i0, i1, b':', s0, s1] = rest else {
            return None;
        };
        let time = Self {
            year: u16::from(two(*y0, *y1)?) * 100 + u16::from(two(*y2, *y3)?),
            month: two(*m0, *m1)?,
            day: two(*d0, *d1)?,
            hour: two(*h0, *h1)?,
            minute: two(*i0, *i1)?,
            second: two(*s0, *s1)?,
        };
        let fits = (1..=12).contains(&time.month)
            && (1..=31).contains(&time.day)
            && time.hour < 24
            && time.minute < 60
            && time.second <= 60;
        fits.then_some(time)
    }

    /// Seconds since 1970-01-01 UTC, when local time was `utc_offset` seconds ahead of UTC
    /// (negative to the west). The caller must know the offset of nginx's host at that time.
    #[must_use]
    pub fn unix(self, utc_offset: i32) -> i64 {
        // Howard Hinnant's days_from_civil, with years that begin in March.
        let year = i64::from(self.year) - i64::from(self.month < 3);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let month = (i64::from(self.month) + 9) % 12;
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        let of_day =
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        days * 86_400 + of_day - i64::from(utc_offset)
    }
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_becomes_utc_by_the_offset_given() {
        let time = Civil::parse(b"2026/11/22 19:03:20 [").unwrap();
        assert_eq!(time.unix(0), 1_795_374_200);
        assert_eq!(time.unix(3600), 1_795_370_600);
        let leap = Civil::parse(b"2024/02/29 00:00:00").unwrap();
        assert_eq!(leap.unix(-3600), 1_709_168_400);
        assert_eq!(Civil::parse(b"1970/01/01 00:00:00").unwrap().unix(0), 0);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            &b"2026/13/22 19:03:20"[..],
            b"2026/11/22 24:03:20",
            b"2026-11-22 19:03:20",
            b"2026/11/22 19:03:2",
            b"2026/11/22 19:03:2x",
            b"",
        ] {
            assert_eq!(Civil::parse(text), None);
        }
    }
}

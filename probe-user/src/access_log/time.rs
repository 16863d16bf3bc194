//! nginx's times.

/// `$time_local`, such as `22/Nov/2026:16:01:50 +0000`.
pub(super) const TIME_LOCAL: Shape = Shape::new(b"00/aaa/0000:00:00:00 +0000");

/// `$time_iso8601`, such as `2026-11-22T16:01:50+00:00`.
pub(super) const TIME_ISO8601: Shape = Shape::new(b"0000-00-00T00:00:00+00:00");

/// Microseconds since 1970-01-01 UTC of a `$time_local`, to the second.
pub(super) fn local(text: &[u8]) -> Option<i64> {
    if TIME_LOCAL.end(text, 0)? != text.len() {
        return None;
    }
    let month = month(text.get(3..6)?)?;
    let date = (two(text, 7)? * 100 + two(text, 9)?, month, two(text, 0)?);
    let clock = (two(text, 12)?, two(text, 15)?, two(text, 18)?);
    micros(
        date,
        clock,
        *text.get(21)?,
        (two(text, 22)?, two(text, 24)?),
    )
}

/// Microseconds since 1970-01-01 UTC of a `$time_iso8601`, to the second.
pub(super) fn iso8601(text: &[u8]) -> Option<i64> {
    if TIME_ISO8601.end(text, 0)? != text.len() {
        return None;
    }
    let date = (
        two(text, 0)? * 100 + two(text, 2)?,
        two(text, 5)?,
        two(text, 8)?,
    );
    let clock = (two(text, 11)?, two(text, 14)?, two(text, 17)?);
    micros(
        date,
        clock,
        *text.get(19)?,
        (two(text, 20)?, two(text, 23)?),
    )
}

/// Microseconds of a number of seconds with three decimals, such as `$msec` or `$request_time`.
pub(super) fn decimal(text: &[u8]) -> Option<i64> {
    let (seconds, fraction) = text.split_last_chunk::<4>()?;
    let [b'.', fraction @ ..] = fraction else {
        return None;
    };
    let seconds = i64::try_from(number(seconds)?).ok()?;
    let millis = i64::try_from(number(fraction)?).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(millis * 1000)
}

/// How far a `$time_local` or `$time_iso8601` was ahead of UTC, in seconds.
pub(super) fn offset(text: &[u8]) -> Option<i64> {
    let local = TIME_LOCAL.end(text, 0) == Some(text.len());
    let iso8601 = TIME_ISO8601.end(text, 0) == Some(text.len());
    let (sign, hours, minutes) = match (local, iso8601) {
        (true, _) => (text.get(21)?, two(text, 22)?, two(text, 24)?),
        (_, true) => (text.get(19)?, two(text, 20)?, two(text, 23)?),
        _ => return None,
    };
    let seconds = hours * 3600 + minutes * 60;
    Some(if *sign == b'-' { -seconds } else { seconds })
}

/// Microseconds since 1970-01-01 UTC of a time in ISO 8601 that nginx did not write itself: `Z` or an
/// offset without its colon, a fraction, a space in place of the `T`.
pub(super) fn iso8601_of_others(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let [
        _,
        _,
        _,
        _,
        b'-',
        _,
        _,
        b'-',
        _,
        _,
        b'T' | b' ',
        _,
        _,
        b':',
        _,
        _,
        b':',
        _,
        _,
    ] = date_time
    else {
        return None;
    };
    let date = (
        two(date_time, 0)? * 100 + two(date_time, 2)?,
        two(date_time, 5)?,
        two(date_time, 8)?,
    );
    let clock = (
        two(date_time, 11)?,
        two(date_time, 14)?,
        two(date_time, 17)?,
    );
    let (fraction, zone) = match rest.split_first() {
        Some((b'.' | b',', rest)) => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            rest.split_at_checked(digits).filter(|_| digits > 0)?
        }
        _ => (&b""[..], rest),
    };
    let (sign, zone) = match zone {
        b"" | b"Z" | b"z" => (b'+', (0, 0)),
        [sign @ (b'+' | b'-'), zone @ ..] => {
            let minutes = zone.strip_prefix(b":").unwrap_or(zone.get(2..)?);
            let minutes = minutes.strip_prefix(b":").unwrap_or(minutes);
            let minutes = if minutes.is_empty() {
                0
            } else {
                two(minutes, 0)?
            };
            (*sign, (two(zone, 0)?, minutes))
        }
        _ => return None,
    };
    Some(micros(date, clock, sign, zone)? + micros_of_fraction(fraction)?)
}

/// Microseconds since 1970-01-01 UTC of a number of seconds with or without a fraction, or of
/// milliseconds, microseconds or nanoseconds: a time after 2001 tells by its digits which.
pub(super) fn epoch(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(point) => (text.get(..point)?, text.get(point + 1..)?),
        None => (text, &b""[..]),
    };
    let number = i64::try_from(number(whole)?).ok()?;
    match whole.len() {
        10 => number
            .checked_mul(1_000_000)?
            .checked_add(micros_of_fraction(fraction)?),
        13 => number.checked_mul(1000),
        16 => Some(number),
        19 => Some(number / 1000),
        _ => None,
    }
}

/// Microseconds of a length of time that nginx or a configuration wrote in its own way: a number of
/// seconds with any fraction, or a number with its unit behind it.
pub(super) fn length_of_others(text: &[u8]) -> Option<i64> {
    let digits = text
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .count();
    let (amount, unit) = text.split_at_checked(digits)?;
    let (whole, fraction) = match memchr::memchr(b'.', amount) {
        Some(point) => (amount.get(..point)?, amount.get(point + 1..)?),
        None => (amount, &b""[..]),
    };
    let seconds = i64::try_from(number(whole)?).ok()?;
    let micros = seconds
        .checked_mul(1_000_000)?
        .checked_add(micros_of_fraction(fraction)?)?;
    match unit.trim_ascii() {
        b"s" | b"sec" | b"seconds" => Some(micros),
        b"" if !fraction.is_empty() => Some(micros),
        b"ms" => Some(micros / 1000),
        b"us" => Some(micros / 1_000_000),
        _ => None,
    }
}

/// Microseconds of the digits behind a point.
fn micros_of_fraction(digits: &[u8]) -> Option<i64> {
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits.get(place).map_or(Some(0), |byte| {
            byte.checked_sub(b'0').filter(|digit| *digit < 10)
        })?;
        micros = micros * 10 + i64::from(digit);
    }
    digits.iter().all(u8::is_ascii_digit).then_some(micros)
}

/// A decimal number: digits only, at least one, below 2^64.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let [tens, ones] = text.get(at..)?.first_chunk::<2>()?;
    let digit = |byte: u8| byte.checked_sub(b'0').filter(|digit| *digit < 10);
    Some(i64::from(digit(*tens)? * 10 + digit(*ones)?))
}

fn month(name: &[u8]) -> Option<i64> {
    const NAMES: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    (1..)
        .zip(NAMES)
        .find(|(_, of)| *of == name)
        .map(|(at, _)| at)
}

fn micros(
    (year, month, day): (i64, i64, i64),
    (hour, minute, second): (i64, i64, i64),
    sign: u8,
    (zone_hours, zone_minutes): (i64, i64),
) -> Option<i64> {
    // 60 is a leap second.
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && zone_hours < 24
        && zone_minutes < 60;
    if !fits {
        return None;
    }
    let zone = zone_hours * 3600 + zone_minutes * 60;
    let zone = if sign == b'-' { -zone } else { zone };
    let of_day = hour * 3600 + minute * 60 + second;
    Some((days(year, month, day) * 86_400 + of_day - zone) * 1_000_000)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day last, and month lengths in one pattern.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// Text of a fixed length, of which each byte is a digit, a letter, a sign, or given.
#[derive(Debug)]
pub(super) struct Shape {
    length: usize,
    /// Eight bytes each: which bits count, what they are, and which bytes are digits.
    words: [(u64, u64, u64); 3],
    /// The bytes after 24, `0` for a digit.
    tail: &'static [u8],
    sign: usize,
}

impl Shape {
    /// Of an example: `0` is a digit, `a` a letter, `+` a sign; 24 to 31 bytes.
    const fn new(example: &'static [u8]) -> Self {
        let mut words = [(0, 0, 0); 3];
        let mut sign = 0;
        let mut at = 0;
        while at < 24 {
            let (mask, expected, digit): (u64, u64, u64) = match example[at] {
                b'0' => (0xf0, 0x30, 0xff),
                b'a' => (0xc0, 0x40, 0),
                b'+' => {
                    sign = at;
                    (0, 0, 0)
                }
                other => (0xff, other as u64, 0),
            };
            let shift = at % 8 * 8;
            let word = &mut words[at / 8];
            word.0 |= mask << shift;
            word.1 |= expected << shift;
            word.2 |= digit << shift;
            at += 1;
        }
        Self {
            length: example.len(),
            words,
            tail: example.split_at(24).1,
            sign,
        }
    }

    /// The end of the text of this shape that begins at `at`.
    #[inline]
    pub(super) fn end(&self, line: &[u8], at: usize) -> Option<usize> {
        let text = line.get(at..at.checked_add(self.length)?)?;
        let (head, tail) = text.split_first_chunk::<24>()?;
        let mut wrong = 0;
        for (word, (mask, expected, digits)) in head.chunks_exact(8).zip(self.words) {
            let word = u64::from_le_bytes(*word.first_chunk()?);
            wrong |= (word & mask) ^ expected;
            // Six more than 0x3a to 0x3f carries out of the low half; 0x30 to 0x39 does not.
            let six = digits & 0x0606_0606_0606_0606;
            let halves = digits & 0x3030_3030_3030_3030;
            wrong |= ((word & digits & !(0xc0c0_c0c0_c0c0_c0c0)).wrapping_add(six)
                & digits
                & 0xf0f0_f0f0_f0f0_f0f0)
                ^ halves;
        }
        let sign = matches!(text.get(self.sign), Some(b'+' | b'-'));
        let tail = self.tail.iter().zip(tail).all(|(kind, byte)| match kind {
            b'0' => byte.is_ascii_digit(),
            _ => byte == kind,
        });
        (wrong == 0 && sign && tail).then_some(at + self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_others_are_read_as_nginxs_own() {
        let second = 1_795_341_600_000_000;
        for (text, micros) in [
            ("2026-11-22T10:00:00Z", Some(second)),
            ("2026-11-22T10:00:00.25+00:00", Some(second + 250_000)),
            ("2026-11-22 11:00:00,123456789+0100", Some(second + 123_456)),
            ("2026-11-22T12:00:00+02", Some(second)),
            ("2026-11-22T10:00:00", Some(second)),
            ("2026-11-22T10:00:00.", None),
            ("2026-13-22T10:00:00Z", None),
            ("2026-11-22T10:00:00+1", None),
            ("2026-11-22", None),
        ] {
            assert_eq!(iso8601_of_others(text.as_bytes()), micros, "{text}");
        }
        for (text, micros) in [
            ("1795341600", Some(second)),
            ("1795341600.5", Some(second + 500_000)),
            ("1795341600250", Some(second + 250_000)),
            ("179534160", None),
            ("1795341600.x", None),
            ("", None),
        ] {
            assert_eq!(epoch(text.as_bytes()), micros, "{text}");
        }
    }

    #[test]
    fn a_length_of_time_may_have_a_unit() {
        for (text, micros) in [
            ("0.010 s", Some(10_000)),
            ("12ms", Some(12_000)),
            ("1.5", Some(1_500_000)),
            ("0.123456", Some(123_456)),
            ("12", None),
            (" s", None),
            ("-", None),
            ("", None),
            ("1.2.3", None),
        ] {
            assert_eq!(length_of_others(text.as_bytes()), micros, "{text}");
        }
    }
}

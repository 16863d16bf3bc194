//! Numbers, sizes, times and switches as nginx reads them (`ngx_parse.c`, `ngx_conf_file.c`).

use std::time::Duration;

/// A number without a sign.
pub(super) fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    // `parse` takes a sign, nginx does not.
    if !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// `4096`, `32k`, `2M`, `1g`: in bytes.
pub(super) fn size(word: &[u8]) -> Option<u64> {
    let (digits, unit) = match word.split_last()? {
        (b'k' | b'K', digits) => (digits, 1024),
        (b'm' | b'M', digits) => (digits, 1024 * 1024),
        (b'g' | b'G', digits) => (digits, 1024 * 1024 * 1024),
        _ => (word, 1),
    };
    number::<u64>(digits)?.checked_mul(unit)
}

/// `10`, `500ms`, `1m30s`, `1d 12h`: a number without a unit counts seconds.
pub(super) fn time(word: &[u8]) -> Option<Duration> {
    let mut rest = word.trim_ascii();
    let mut total = 0_u64;
    // Units come in falling order, each once.
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (count, after) = rest.split_at_checked(digits)?;
        let (unit, length) = unit(after)?;
        if unit >= smallest {
            return None;
        }
        smallest = unit;
        total = number::<u64>(count)?
            .checked_mul(unit)?
            .checked_add(total)?;
        rest = after.get(length..)?.trim_ascii_start();
    }
    // nginx keeps milliseconds in a signed word.
    (total <= i64::MAX.unsigned_abs()).then(|| Duration::from_millis(total))
}

/// The milliseconds of the unit that `text` begins with, and the length of its name.
fn unit(text: &[u8]) -> Option<(u64, usize)> {
    const SECOND: u64 = 1000;
    const DAY: u64 = 24 * 3600 * SECOND;
    Some(match text {
        [] => (SECOND, 0),
        [b'm', b's', ..] => (1, 2),
        [b'y', ..] => (365 * DAY, 1),
        [b'M', ..] => (30 * DAY, 1),
        [b'w', ..] => (7 * DAY, 1),
        [b'd', ..] => (DAY, 1),
        [b'h', ..] => (3600 * SECOND, 1),
        [b'm', ..] => (60 * SECOND, 1),
        // A second without a name may stand before a blank.
        [b's' | b' ', ..] => (SECOND, 1),
        _ => return None,
    })
}

/// `on` or `off`, in any case.
pub(super) fn switch(word: &[u8]) -> Option<bool> {
    if word.eq_ignore_ascii_case(b"on") {
        Some(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers() {
        for (word, expected) in [
            ("0", Some(0)),
            ("32k", Some(32 << 10)),
            ("2M", Some(2 << 20)),
            ("1g", Some(1 << 30)),
            ("", None),
            ("k", None),
            ("+1", None),
            ("-1", None),
            ("1kk", None),
            ("99999999999999999999", None),
            ("18446744073709551615g", None),
        ] {
            assert_eq!(size(word.as_bytes()), expected, "{word}");
        }
        assert_eq!(number::<u16>(b"65536"), None);
        assert_eq!(number::<u16>(b""), None);
        assert_eq!(switch(b"ON"), Some(true));
        assert_eq!(switch(b"yes"), None);
    }

    #[test]
    fn times() {
        for (word, expected) in [
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("1m30s", Some(90_000)),
            ("1d 12h", Some(36 * 3_600_000)),
            ("1M", Some(30 * 24 * 3_600_000)),
            ("1m 30", Some(90_000)),
            ("1s1m", None),
            ("1m1m", None),
            ("", None),
            ("s", None),
            ("1x", None),
            ("99999999999999999999y", None),
            ("18446744073709551615", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(time(word.as_bytes()), expected, "{word}");
        }
    }
}

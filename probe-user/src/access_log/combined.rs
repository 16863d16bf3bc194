//! Lines of nginx's own `combined` format:
//! `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"
//! "$http_user_agent"`, with whatever fields follow.
//!
//! nginx writes a quote in a value as `\x22` (`escape=default`), so the first quote of a line
//! begins the request, whatever a client sent. Other formats may write `\"`: a backslash takes
//! the next byte with it.

/// One line. Text is as nginx wrote it, escapes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combined<'a> {
    /// `$remote_addr`: an address, or `unix:`.
    pub remote_addr: &'a [u8],
    /// `$remote_user`; `-` for none.
    pub remote_user: &'a [u8],
    /// `$time_local`, when the answer was finished, in seconds since 1970-01-01 UTC.
    pub time: i64,
    /// `$request`, which may hold anything; empty or `-` when there was none.
    pub request: &'a [u8],
    /// `$status`, 0 to 999. nginx itself writes 000 and 009 at times.
    pub status: u16,
    /// `$body_bytes_sent`
    pub bytes: u64,
    /// `$http_referer`; `-` for none.
    pub referer: &'a [u8],
    /// `$http_user_agent`; `-` for none.
    pub user_agent: &'a [u8],
    /// What follows, without the space before it; empty in the plain format.
    pub rest: &'a [u8],
}

impl<'a> Combined<'a> {
    /// Reads a line, given without its line feed. `None` when it does not fit.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let quote = memchr::memchr(b'"', line)?;
        let (before, after) = line.split_at_checked(quote)?;
        let (who, time) = before.split_at_checked(before.len().checked_sub(TIME_LENGTH + 4)?)?;
        let time = time.strip_prefix(b" [")?.strip_suffix(b"] ")?;
        let space = memchr::memchr(b' ', who)?;
        let (remote_addr, remote_user) = who.split_at_checked(space)?;
        let remote_user = remote_user.strip_prefix(b" - ")?;
        if remote_addr.is_empty() {
            return None;
        }
        let (request, after) = quoted(after)?;
        let (status, after) = digits(after.strip_prefix(b" ")?);
        let (bytes, after) = digits(after.strip_prefix(b" ")?);
        let (referer, after) = quoted(after.strip_prefix(b" ")?)?;
        let (user_agent, after) = quoted(after.strip_prefix(b" ")?)?;
        let rest = if after.is_empty() {
            after
        } else {
            after.strip_prefix(b" ")?
        };
        Some(Self {
            remote_addr,
            remote_user,
            time: seconds(time)?,
            request,
            status: u16::try_from(number(status, 3, 3)?).ok()?,
            bytes: number(bytes, 1, 19)?,
            referer,
            user_agent,
            rest,
        })
    }
}

/// The length of `22/Nov/2026:16:01:50 +0000`.
const TIME_LENGTH: usize = 26;

/// The value in quotes at the start of `text`, and what follows it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner.get(at) == Some(&b'"') {
            return Some((inner.get(..at)?, inner.get(at + 1..)?));
        }
        at += 2;
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, b""))
}

/// A decimal number of that many digits, no sign, no space.
fn number(text: &[u8], least: usize, most: usize) -> Option<u64> {
    if !(least..=most).contains(&text.len()) {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Seconds since 1970 of a `$time_local` such as `22/Nov/2026:16:01:50 +0000`.
fn seconds(time: &[u8]) -> Option<i64> {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let field = |from: usize, to: usize, most: i64| {
        let text = time.get(from..to)?;
        let value = i64::try_from(number(text, text.len(), text.len())?).ok()?;
        (value <= most).then_some(value)
    };
    let punctuation = [
        (2, b'/'),
        (6, b'/'),
        (11, b':'),
        (14, b':'),
        (17, b':'),
        (20, b' '),
    ];
    if time.len() != TIME_LENGTH
        || punctuation
            .iter()
            .any(|&(at, byte)| time.get(at) != Some(&byte))
    {
        return None;
    }
    let day = field(0, 2, 31).filter(|day| *day > 0)?;
    let month = MONTHS
        .iter()
        .position(|name| time.get(3..6) == Some(*name))?;
    let year = field(7, 11, 9999)?;
    let of_day = field(12, 14, 23)? * 3600 + field(15, 17, 59)? * 60 + field(18, 20, 60)?;
    let offset = field(22, 24, 23)? * 3600 + field(24, 26, 59)? * 60;
    let offset = match time.get(21)? {
        b'+' => offset,
        b'-' => -offset,
        _ => return None,
    };
    Some(days(year, i64::try_from(month).ok()? + 1, day) * 86_400 + of_day - offset)
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

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"203.0.113.9 - - [22/Nov/2026:16:01:50 +0000] "GET /a?b HTTP/1.1" 500 177 "-" "curl/7.88.1""#;

    fn parse(line: &str) -> Option<Combined<'_>> {
        Combined::parse(line.as_bytes())
    }

    #[test]
    fn a_plain_line() {
        assert_eq!(
            parse(PLAIN).unwrap(),
            Combined {
                remote_addr: b"203.0.113.9",
                remote_user: b"-",
                time: 1_795_363_310,
                request: b"GET /a?b HTTP/1.1",
                status: 500,
                bytes: 177,
                referer: b"-",
                user_agent: b"curl/7.88.1",
                rest: b"",
            }
        );
    }

    #[test]
    fn values_may_hold_anything() {
        let line = concat!(
            r#"unix: - a b [x] [y [01/Jan/1970:01:00:00 +0100] "\x22 \x5C\" 500 1 " 009 0 "" "" "#,
            r#""10.0.0.1" 0.001 -"#
        );
        let read = parse(line).unwrap();
        assert_eq!(read.remote_addr, b"unix:");
        assert_eq!(read.remote_user, b"a b [x] [y");
        assert_eq!(read.time, 0);
        assert_eq!(read.request, br#"\x22 \x5C\" 500 1 "#);
        assert_eq!((read.status, read.bytes), (9, 0));
        assert_eq!(read.rest, br#""10.0.0.1" 0.001 -"#);
        for request in [
            "",
            "-",
            " ",
            r"\x16\x03\x01",
            "GET  / x y HTTP/1.1",
            "] ",
            "\0\u{fffd}",
        ] {
            let line = PLAIN.replace("GET /a?b HTTP/1.1", request);
            assert_eq!(parse(&line).unwrap().request, request.as_bytes());
        }
    }

    #[test]
    fn times() {
        for (time, expected) in [
            ("01/Jan/1970:00:00:00 +0000", Some(0)),
            ("31/Dec/1969:23:59:59 -0000", Some(-1)),
            ("29/Feb/2024:12:00:00 -0530", Some(1_709_227_800)),
            ("01/Mar/2000:00:00:00 +0000", Some(951_868_800)),
            ("31/Dec/9999:23:59:60 +2359", Some(253_402_300_800 - 86_340)),
            ("00/Jan/1970:00:00:00 +0000", None),
            ("01/jan/1970:00:00:00 +0000", None),
            ("01/Jan/1970:24:00:00 +0000", None),
            ("01/Jan/1970:00:00:00 *0000", None),
            ("01/Jan/1970 00:00:00 +0000", None),
            ("01/Jan/+970:00:00:00 +0000", None),
            ("", None),
        ] {
            assert_eq!(seconds(time.as_bytes()), expected, "{time}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (part, other) in [
            ("203.0.113.9 - ", ""),
            ("203.0.113.9", ""),
            ("- [22", "-[22"),
            ("22/Nov", "2/Nov"),
            (" 500 ", " 50 "),
            (" 500 ", " 5000 "),
            (" 500 ", " +50 "),
            (" 500 ", " - "),
            (" 177 ", " - "),
            (" 177 ", " 17x7 "),
            (" 177 ", " 99999999999999999999 "),
            ("\"-\"", "-"),
            ("88.1\"", "88.1"),
            ("88.1\"", "88.1\\\""),
            ("88.1\"", "88.1\"x"),
            ("HTTP/1.1\"", "HTTP/1.1\" "),
        ] {
            let line = PLAIN.replacen(part, other, 1);
            assert_ne!(line, PLAIN);
            assert_eq!(parse(&line), None, "{line}");
        }
        for line in [
            "",
            "\"",
            "[] \"",
            "{\"status\":500}",
            "\0\0\0",
            " - [",
            "- - - \"\"\"\"",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    /// Written by nginx 1.22.1: a quote, a backslash and bytes outside ASCII in path and agent; a
    /// TLS greeting sent to a plain port; half a request; a user name with brackets; empty lines.
    const BY_NGINX: &str = r#"
127.0.0.1 - - [22/Nov/2026:16:27:14 +0000] "GET /ok HTTP/1.0" 200 2 "-" "-"
127.0.0.1 - - [22/Nov/2026:16:27:14 +0000] "GET /a\x22b\x5Cc\xC3\xA9?x=] HTTP/1.0" 500 177 "http://r/\x22 200 1 \x22" "a\x22b\x5C\xFF"
127.0.0.1 - - [22/Nov/2026:16:27:14 +0000] "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03" 400 157 "-" "-"
127.0.0.1 - - [22/Nov/2026:16:27:14 +0000] "GET / HTTP/1.1" 400 0 "-" "-"
127.0.0.1 - x [1] \x22y [22/Nov/2026:16:27:14 +0000] "GET /u HTTP/1.0" 500 177 "-" "-"
127.0.0.1 - - [22/Nov/2026:16:27:14 +0000] "" 400 0 "-" "-"
127.0.0.1 - - [22/Nov/2026:16:27:14 +0000] "GET  /two  spaces HTTP/1.0" 400 157 "-" "-"
"#;

    #[test]
    fn lines_of_a_real_nginx() {
        let read: Vec<_> = BY_NGINX
            .trim()
            .lines()
            .map(|line| parse(line).expect(line))
            .collect();
        let shown: Vec<_> = read
            .iter()
            .map(|line| {
                let text = String::from_utf8_lossy;
                format!(
                    "{} {} {}",
                    text(line.remote_user),
                    line.status,
                    text(line.request)
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "- 200 GET /ok HTTP/1.0",
                r"- 500 GET /a\x22b\x5Cc\xC3\xA9?x=] HTTP/1.0",
                r"- 400 \x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03",
                "- 400 GET / HTTP/1.1",
                r"x [1] \x22y 500 GET /u HTTP/1.0",
                "- 400 ",
                "- 400 GET  /two  spaces HTTP/1.0",
            ]
        );
    }

    /// A generator that gives the same numbers every time (`SplitMix64`).
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }

        fn below(&mut self, end: u64) -> u64 {
            self.next() % end
        }

        /// Any bytes, escaped as nginx does by default.
        fn value(&mut self) -> String {
            use std::fmt::Write;
            let mut text = String::new();
            for _ in 0..self.below(12) {
                let byte = if self.below(3) == 0 {
                    br#"" []\-1"#[usize::try_from(self.below(7)).unwrap()]
                } else {
                    u8::try_from(self.below(256)).unwrap()
                };
                match byte {
                    0..0x20 | b'"' | b'\\' | 0x7f.. => write!(text, "\\x{byte:02X}").unwrap(),
                    _ => text.push(char::from(byte)),
                }
            }
            text
        }
    }

    #[test]
    fn any_values_come_back_and_no_damage_panics() {
        let mut numbers = Numbers(500);
        for _ in 0..20_000 {
            let [user, request, referer, agent, rest] = [(); 5].map(|()| numbers.value());
            let (status, bytes) = (numbers.below(1000), numbers.next() >> 4);
            let line = format!(
                "::1 - {user} [22/Nov/2026:16:01:50 +0000] \"{request}\" {status:03} {bytes} \
                 \"{referer}\" \"{agent}\" {rest}"
            );
            let read = parse(&line).expect(&line);
            assert_eq!(read.remote_user, user.as_bytes(), "{line}");
            assert_eq!(read.request, request.as_bytes(), "{line}");
            assert_eq!(read.referer, referer.as_bytes(), "{line}");
            assert_eq!(read.user_agent, agent.as_bytes(), "{line}");
            assert_eq!(read.rest, rest.as_bytes(), "{line}");
            assert_eq!(
                (u64::from(read.status), read.bytes),
                (status, bytes),
                "{line}"
            );

            let mut damaged = line.into_bytes();
            for _ in 0..=numbers.below(3) {
                let at = usize::try_from(numbers.below(damaged.len() as u64)).unwrap();
                if numbers.below(4) == 0 {
                    damaged.truncate(at.max(1));
                } else {
                    damaged[at] = u8::try_from(numbers.below(256)).unwrap();
                }
            }
            let _ = Combined::parse(&damaged);
        }
    }
}

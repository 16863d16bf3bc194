//! What a value of a log looks like, whatever stands before it.

use std::net::{IpAddr, SocketAddr};

use crate::access_log::{Attempts, Field, request, time};

/// Whether it stands for nothing.
pub(super) fn is_missing(value: &[u8]) -> bool {
    matches!(value, b"" | b"-" | b"null")
}

/// Whether it stands for nothing, or for nothing of each attempt.
pub(super) fn is_nothing(value: &[u8]) -> bool {
    is_missing(value) || Attempts::of(value).all(|attempt| is_missing(attempt.value))
}

/// Whether nginx may have sent it as a status.
pub(super) fn is_status(value: &[u8]) -> bool {
    matches!(
        value,
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] | b"000" | b"009"
    )
}

/// Whether it is a status that somebody gave a meaning: a number that nobody labelled may be a size or
/// a port.
pub(super) fn is_known_status(value: &[u8]) -> bool {
    let number = time::number(value).filter(|_| value.len() == 3);
    matches!(
        number,
        Some(
            0
            | 9
            | 100..=103
            | 200..=208
            | 226
            | 300..=308
            | 400..=418
            | 421..=426
            | 428
            | 429
            | 431
            | 444
            | 451
            | 494..=511
            | 520..=530
            | 598
            | 599,
        )
    )
}

/// Whether it is a status, or a status for each attempt.
pub(super) fn is_statuses(value: &[u8]) -> bool {
    each(value, is_status)
}

/// Whether it is a number with a point in it, and maybe with its unit behind.
pub(super) fn is_seconds(value: &[u8]) -> bool {
    time::length_of_others(value).is_some()
}

/// Whether it is one length of time for each attempt.
pub(super) fn are_seconds(value: &[u8]) -> bool {
    each(value, is_seconds)
}

/// Whether it is an address, as a client has one.
pub(super) fn is_address(value: &[u8]) -> bool {
    value == b"unix:" || parsed::<IpAddr>(value)
}

/// Whether it is an address, or a list of them as forwarders make it.
pub(super) fn are_addresses(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b',');
    parts.all(|part| {
        let part = part.trim_ascii();
        is_address(part) || part == b"unknown" || parsed::<SocketAddr>(part)
    })
}

/// Whether it names a place to connect to, for each attempt: an address with its port, or a socket's path.
pub(super) fn are_peers(value: &[u8]) -> bool {
    each(value, |peer| {
        peer.starts_with(b"unix:/") || parsed::<SocketAddr>(peer)
    })
}

/// Whether it is a name or an address, for each attempt: what has no spaces, quotes or slashes.
pub(super) fn are_names(value: &[u8]) -> bool {
    each(value, |name| {
        name.starts_with(b"unix:/")
            || name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b".:-_[]@".contains(byte))
    })
}

/// Whether it is a request line.
pub(super) fn is_request(value: &[u8]) -> bool {
    request::split(value).is_some_and(|line| {
        line.target.starts_with(b"/")
            || line.target == b"*"
            || memchr::memmem::find(value, b" HTTP/").is_some()
    })
}

/// Whether it is the method of a request.
pub(super) fn is_method(value: &[u8]) -> bool {
    (3..=16).contains(&value.len()) && request::is_method(value)
}

/// Whether it is what a request asks for.
pub(super) fn is_target(value: &[u8]) -> bool {
    let has_scheme = || memchr::memmem::find(value, b"://").is_some();
    value == b"*"
        || memchr::memchr(b'/', value)
            .is_some_and(|at| at == 0 || has_scheme() || !value.contains(&b' '))
}

/// Whether it is made of digits.
pub(super) fn is_number(value: &[u8]) -> bool {
    time::number(value).is_some()
}

/// The variable that a time is written by, or a near one.
pub(super) fn time_field(value: &[u8]) -> Option<Field> {
    if time::local(value).is_some() {
        Some(Field::TimeLocal)
    } else if time::iso8601_of_others(value).is_some() {
        Some(Field::TimeIso8601)
    } else if time::epoch(value).is_some() {
        Some(Field::Msec)
    } else {
        None
    }
}

fn parsed<T: std::str::FromStr>(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| text.parse::<T>().is_ok())
}

/// Whether each attempt of a list is so, or missing, and one of them is.
fn each(list: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
    let mut any = false;
    let all = Attempts::of(list).all(|attempt| {
        let one = !is_missing(attempt.value) && is(attempt.value);
        any |= one;
        one || is_missing(attempt.value)
    });
    all && any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_by_their_look() {
        for (is, yes, no) in [
            (
                is_statuses as fn(&[u8]) -> bool,
                &["200", "502, 200", "404 : 500", "-, 502"][..],
                &["-", "", "99", "2000", "MISS", "600"][..],
            ),
            (
                are_seconds,
                &["0.010", "0.010, 1.2", "12 ms", "-, 0.001"],
                &["-", "12", "a"],
            ),
            (
                are_addresses,
                &[
                    "::1",
                    "10.0.0.1, 192.0.2.1",
                    "192.0.2.1,unknown",
                    "192.0.2.1:80",
                ],
                &["example.test", "-", ""],
            ),
            (
                are_peers,
                &["10.0.0.1:80", "[::1]:80, unix:/a b"],
                &["10.0.0.1", "app", "-"],
            ),
            (
                is_request,
                &["GET / HTTP/1.1", "GET /", "PRI * HTTP/2.0"],
                &["GET", "/a b", "-", "The page was fine"],
            ),
            (
                is_target,
                &["/a b", "http://h/", "h.test/a", "*"],
                &["a b/c", "200"],
            ),
        ] {
            for value in yes {
                assert!(is(value.as_bytes()), "{value}");
            }
            for value in no {
                assert!(!is(value.as_bytes()), "{value}");
            }
        }
    }
}

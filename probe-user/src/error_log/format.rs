//! The class of a message, known by the format string that nginx makes it from.

use super::class::Class;
use super::classes;
use super::level::Level;
use super::rule::Seen;

/// Bytes of a format that are looked at.
const MAX_FORMAT: usize = 512;

/// The class of what nginx writes with this format (`ngx_log_error_core`). `first` is what its first
/// directive stands for, if that is a string. `connected` says whether it is about a client's connection.
#[must_use]
pub fn of_format(
    format: &[u8],
    first: &[u8],
    level: Level,
    errno: u32,
    connected: bool,
) -> &'static Class {
    let message = sample(format, first);
    classes::find(&Seen {
        level,
        message: &message,
        errno: (errno != 0).then_some(errno),
        action: None,
        phase: None,
        request: None,
        connected,
        fields: connected,
        unheard: true,
    })
    .0
}

/// A message that the format could make: `1` for each number, `x` for each text.
fn sample(format: &[u8], first: &[u8]) -> Vec<u8> {
    let mut rest = format.get(..MAX_FORMAT).unwrap_or(format);
    let mut made = Vec::with_capacity(rest.len() + first.len());
    let mut first = Some(first);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            made.push(*byte);
            continue;
        }
        // `ngx_vslprintf`: a width and marks, then what it is.
        let marks = rest
            .iter()
            .take_while(|byte| {
                matches!(byte, b'0'..=b'9' | b'u' | b'x' | b'X' | b'm' | b'.' | b'*')
            })
            .count();
        let (kind, after) = match rest.get(marks..).and_then(<[u8]>::split_first) {
            Some((kind, after)) => (*kind, after),
            None => (b'd', &[][..]),
        };
        rest = after;
        let first = first.take();
        match kind {
            b'%' => made.push(b'%'),
            b'N' => made.push(b'\n'),
            b'Z' => {}
            b's' if first.is_some() => made.extend_from_slice(first.unwrap_or_default()),
            b's' | b'V' | b'v' | b'c' => made.push(b'x'),
            _ => made.push(b'1'),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_nginx_have_the_class_of_their_messages() {
        let class = |format: &str, first: &str, level, errno| {
            of_format(format.as_bytes(), first.as_bytes(), level, errno, true).name
        };
        for (format, first, level, errno, name) in [
            (
                "rewrite or internal redirection cycle while processing \"%V\"",
                "",
                Level::Error,
                0,
                "rewrite_cycle",
            ),
            (
                "could not find named location \"%V\"",
                "",
                Level::Error,
                0,
                "named_location_missing",
            ),
            (
                "open() \"%s\" failed",
                "",
                Level::Crit,
                13,
                "open_denied_needed",
            ),
            (
                "%s \"%s\" failed",
                "open()",
                Level::Error,
                13,
                "open_denied",
            ),
            ("%s \"%s\" failed", "open()", Level::Crit, 24, "open_no_fds"),
            (
                "%ui worker_connections are not enough",
                "",
                Level::Alert,
                0,
                "worker_connections_upstream",
            ),
            ("connect() failed", "", Level::Error, 111, "connect_refused"),
            ("recv() failed", "", Level::Error, 104, "upstream_reset"),
            (
                "limiting requests%s, excess: %ui.%03ui by zone \"%V\"",
                "",
                Level::Error,
                0,
                "limit_req_refused",
            ),
            (
                "limiting requests%s, excess: %ui.%03ui by zone \"%V\"",
                ", dry run",
                Level::Error,
                0,
                "limit_dry_run",
            ),
            (
                "lua entry thread aborted: %s\n%s",
                "",
                Level::Error,
                0,
                "lua_aborted",
            ),
            (
                "%V could not be resolved (%i: %s)",
                "",
                Level::Error,
                0,
                "resolve_failed",
            ),
            (
                "upstream sent too big header",
                "",
                Level::Error,
                0,
                "upstream_big_header",
            ),
            (
                "%s",
                "[client 192.0.2.1] ModSecurity: Access denied with code 500 (phase 1). ",
                Level::Error,
                0,
                "rule_denied",
            ),
            ("js exception: %V", "", Level::Error, 0, "njs_failed"),
            (
                "%*s)",
                "SSL_do_handshake() failed (SSL: x",
                Level::Crit,
                0,
                "tls_failed",
            ),
        ] {
            assert_eq!(class(format, first, level, errno), name, "{format} {first}");
        }
    }

    #[test]
    fn slots_missing_for_a_client_and_for_an_upstream_differ() {
        let class = |connected| {
            let format = b"%ui worker_connections are not enough";
            of_format(format, b"", Level::Alert, 0, connected).name
        };
        assert_eq!(class(false), "worker_connections_accept");
        assert_eq!(class(true), "worker_connections_upstream");
    }

    #[test]
    fn a_format_that_is_cut_or_endless_is_read_as_far_as_it_goes() {
        for format in [
            &b"%"[..],
            b"a%0",
            b"%%%%%",
            b"",
            &[b'%'; 4096],
            &[0xff; 4096],
        ] {
            assert!(sample(format, b"").len() <= MAX_FORMAT, "{format:?}");
        }
        assert_eq!(sample(b"%V at %03ui%%%s", b"me"), b"x at 1%x");
        assert_eq!(sample(b"a%s %s", b"me"), b"ame x");
        assert_eq!(sample(b"a%i %s", b"me"), b"a1 x");
    }
}

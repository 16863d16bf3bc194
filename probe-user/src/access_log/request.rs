//! `$request`: the first line of what a client sent, which may be anything.

/// A request line that begins as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    /// Between the method and the protocol. It may hold spaces, as nginx before 1.21.1 lets it.
    pub(super) target: &'a [u8],
}

/// Splits a request line. None when it does not begin with a method and a space.
pub(super) fn split(line: &[u8]) -> Option<RequestLine<'_>> {
    let space = line.iter().take(MOST).position(|&byte| byte == b' ')?;
    let (method, rest) = line.split_at_checked(space)?;
    if !is_method(method) {
        return None;
    }
    let rest = rest.trim_ascii();
    let protocol = memchr::memrchr(b' ', rest)
        .filter(|&at| rest.get(at + 1..).is_some_and(|p| p.starts_with(b"HTTP/")));
    let target = match protocol {
        Some(at) => rest.get(..at)?.trim_ascii_end(),
        None if rest.starts_with(b"HTTP/") => b"",
        None => rest,
    };
    Some(RequestLine { method, target })
}

/// Longer methods are none.
const MOST: usize = 64;

/// Whether nginx takes this for a method (`ngx_http_parse_request_line`).
pub(super) fn is_method(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
    (1..MOST).contains(&text.len()) && text != b"-" && text.iter().all(letter)
}

/// The path of a target: without scheme and host, query, and fragment.
pub(super) fn path(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let target = target.get(..end).unwrap_or_default();
    let scheme = target
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric())
        .unwrap_or(0);
    match target
        .get(scheme..)
        .and_then(|rest| rest.strip_prefix(b"://"))
    {
        Some(rest) if scheme > 0 => match memchr::memchr(b'/', rest) {
            Some(slash) => rest.get(slash..).unwrap_or_default(),
            None => b"/",
        },
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_client_sent() {
        for (line, expected) in [
            ("GET /a?b=/c HTTP/1.1", Some(("GET", "/a"))),
            ("GET /", Some(("GET", "/"))),
            ("GET /?HTTP/1.0", Some(("GET", "/"))),
            ("GET  /a  b?c d  HTTP/1.1", Some(("GET", "/a  b"))),
            ("M-SEARCH * HTTP/1.1", Some(("M-SEARCH", "*"))),
            ("GET /a#b?c HTTP/1.1", Some(("GET", "/a"))),
            ("GET http://h:80/a?b HTTP/1.1", Some(("GET", "/a"))),
            ("GET http://h?secret HTTP/1.1", Some(("GET", "/"))),
            ("GET http://u:p@h HTTP/1.1", Some(("GET", "/"))),
            ("CONNECT h:443 HTTP/1.1", Some(("CONNECT", "h:443"))),
            ("GET /a://b HTTP/1.1", Some(("GET", "/a://b"))),
            ("GET HTTP/1.1", Some(("GET", ""))),
            ("GET ", Some(("GET", ""))),
            ("GET", None),
            ("get / HTTP/1.1", None),
            ("- / HTTP/1.1", None),
            ("-", None),
            ("", None),
            (" / HTTP/1.1", None),
            (r"\x16\x03\x01 x", None),
        ] {
            let read = split(line.as_bytes()).map(|request| {
                let text = |bytes| std::str::from_utf8(bytes).unwrap();
                (text(request.method), text(path(request.target)))
            });
            assert_eq!(read, expected, "{line}");
        }
    }
}

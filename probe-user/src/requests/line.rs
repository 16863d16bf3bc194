//! The beginning of a request: its method and path.

use nginx_probe_ebpf::connection::REQUEST_LEN;
use serde::{Deserialize, Serialize};

/// Bytes of a method; HTTP's own and `WebDAV`'s are shorter.
const MAX_METHOD: usize = 16;

/// What a client asked for, without its query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestLine {
    /// The method.
    pub method: String,
    /// The path as it was sent, up to its query and cut to what is kept of it; what cannot be
    /// printed is escaped.
    pub path: String,
    /// The path goes on beyond what is kept of it.
    pub cut: bool,
}

impl RequestLine {
    /// Reads a whole request line of a log, cut as one of the kernel half is, so that both are the
    /// same.
    #[must_use]
    pub fn parse_whole(line: &[u8]) -> Option<Self> {
        Self::parse(line.get(..REQUEST_LEN).unwrap_or(line)).map(|read| Self {
            cut: line.len() > REQUEST_LEN && read.cut,
            ..read
        })
    }

    /// Reads the first bytes of a request, up to a NUL when there is one. Nothing when they are no
    /// request of HTTP/1.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = bytes.get(..end.unwrap_or(bytes.len()))?;
        // nginx reads over empty lines before a request.
        let start = text
            .iter()
            .position(|byte| !matches!(byte, b'\r' | b'\n'))?;
        let text = text.get(start..)?;
        let space = text.iter().position(|byte| *byte == b' ')?;
        let (method, rest) = text.split_at(space);
        let is_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
        if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(is_method) {
            return None;
        }
        if text.starts_with(b"PRI * HTTP/2") {
            return None; // what HTTP/2 begins with, whatever is asked for
        }
        let rest = rest.get(1..)?;
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'?' | b'\r' | b'\n'));
        let path = rest.get(..length.unwrap_or(rest.len()))?;
        Some(Self {
            method: method.escape_ascii().to_string(),
            path: path.escape_ascii().to_string(),
            cut: length.is_none() && end.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Option<(String, String, bool)> {
        RequestLine::parse(bytes).map(|line| (line.method, line.path, line.cut))
    }

    #[test]
    fn the_query_is_never_kept() {
        let line = parse(b"GET /report?token=secret HTTP/1.1\r\nHost: a\r\n");
        assert_eq!(line, Some(("GET".into(), "/report".into(), false)));
        let line = parse(b"\r\nPOST /a HTTP/1.1\r\n\0old bytes");
        assert_eq!(line, Some(("POST".into(), "/a".into(), false)));
    }

    #[test]
    fn a_long_path_is_cut_and_says_so() {
        let mut request = b"GET /".to_vec();
        request.resize(144, b'a');
        let line = parse(&request).expect("a request");
        assert!(line.2 && line.1.len() == 140, "{line:?}");
    }

    #[test]
    fn what_is_no_request_is_none() {
        for bytes in [
            &b""[..],
            b"\0",
            b"GET",
            b"\x16\x03\x01 a",
            b"get / HTTP/1.1",
            b" / HTTP/1.1",
            b"AAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            assert_eq!(parse(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn control_bytes_are_escaped() {
        let line = parse(b"GET /\x1b[2J\xff HTTP/1.1\r\n");
        assert_eq!(line.map(|line| line.1).as_deref(), Some(r"/\x1b[2J\xff"));
    }
}

//! Requests that a reader of logs may be led astray by, and what of them is logged.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};

use anyhow::Result;
use nginx_probe_tests::wait::DEADLINE;

/// What is sent, and what of it is logged.
pub struct Sent {
    /// The whole of it.
    pub bytes: Vec<u8>,
    /// `$request`
    pub request: Vec<u8>,
    /// `$remote_user`
    pub user: Vec<u8>,
    /// `$http_referer`
    pub referer: Vec<u8>,
    /// `$http_user_agent`
    pub agent: Vec<u8>,
    /// `$upstream_status`, where it is known.
    pub upstream: Option<&'static str>,
    /// Of the answer's status line; none when there was none.
    pub status: Option<u16>,
}

impl Sent {
    /// The bytes of a connection that are no whole request.
    fn raw(bytes: &[u8]) -> Self {
        let end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let request = bytes.split(end).next().unwrap_or_default();
        Self {
            bytes: bytes.to_vec(),
            request: request.to_vec(),
            user: Vec::new(),
            referer: Vec::new(),
            agent: Vec::new(),
            upstream: None,
            status: None,
        }
    }

    fn with_headers(request: &[u8], user: &[u8], referer: &[u8], agent: &[u8]) -> Self {
        let mut bytes = [request, b"\r\nHost: h\r\nConnection: close\r\n"].concat();
        for (name, value) in [
            (
                "Authorization: Basic ",
                base64(&[user, b":secret"].concat()),
            ),
            ("Referer: ", referer.to_vec()),
            ("User-Agent: ", agent.to_vec()),
        ] {
            bytes.extend([name.as_bytes(), &value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        Self {
            // A user's name ends at the first colon.
            user: user
                .split(|byte| *byte == b':')
                .next()
                .unwrap_or_default()
                .to_vec(),
            referer: referer.to_vec(),
            agent: agent.to_vec(),
            ..Self::raw(&bytes)
        }
    }

    fn get(path: &str, upstream: &'static str) -> Self {
        let request = format!("GET {path} HTTP/1.1");
        Self {
            upstream: Some(upstream),
            ..Self::with_headers(request.as_bytes(), b"u", b"r", b"a")
        }
    }

    /// Sends it and waits for the end of the answer.
    pub fn send(&mut self, port: u16) -> Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(&self.bytes)?;
        let whole = self
            .bytes
            .windows(17)
            .any(|part| part == b"Connection: close");
        if !whole {
            // A whole request is given up when its client goes: 499.
            stream.shutdown(Shutdown::Write)?;
        }
        let mut answer = Vec::new();
        // nginx resets a connection of which it did not read everything.
        let _ = stream.read_to_end(&mut answer);
        let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|a| a.get(..3));
        self.status = status
            .map(|s| String::from_utf8_lossy(s).parse())
            .transpose()?;
        if self.status == Some(400) {
            // nginx reads no header behind a request line that it refuses.
            for unread in [&mut self.user, &mut self.referer, &mut self.agent] {
                unread.clear();
            }
        }
        Ok(())
    }
}

/// What a client may send to break a log's reader.
pub fn hostile() -> Vec<Sent> {
    let long = [b"GET /".to_vec(), vec![b'a'; 8000], b" HTTP/1.1".to_vec()].concat();
    let mut sent: Vec<_> = [
        &b"\n"[..],
        b"\r\n\r\n",
        b"-\r\n\r\n",
        b" / HTTP/1.1\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HT",
        b"GET /\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\x55\"\\\xff",
        b"\x80.\x01\0\x02",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
    .into_iter()
    .map(Sent::raw)
    .collect();
    for request in [
        &b"GET /\"\\\x01\x7f\xc3\xa9\xff?q=%22%0a HTTP/1.1"[..],
        b"GET /a b HTTP/1.1",
        b"GET /a\tb HTTP/1.1",
        b"GET /\\x22\\\" HTTP/1.1",
        b"GET http://h/a?b HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        &long,
        // What looks like the fields that follow.
        b"GET /\" 200 7 \"-\" \"x\" 0.001 200 HTTP/1.1",
        b"GET /\",\"status\":200,\"x\":\" HTTP/1.1",
        b"GET /?s=200\\ HTTP/1.1",
    ] {
        sent.push(Sent::with_headers(request, b"u", b"r", b"a"));
    }
    for value in [
        &b" [x"[..],
        b"x [22/Nov/2026:16:01:50 +0000] ",
        b"x [22/Nov/2026:16:01:50 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"",
        b"] [",
        b"-",
        b"\\",
        b"\"\",\"status\":200,\"",
        b"\x01\t\xc3\xa9\xfe",
    ] {
        let headers = value.trim_ascii();
        sent.push(Sent::with_headers(
            b"GET / HTTP/1.1",
            value,
            headers,
            headers,
        ));
    }
    sent
}

/// One request for each way through upstreams.
pub fn proxied() -> Vec<Sent> {
    vec![
        Sent::get("/", ""),
        Sent::get("/good", "200"),
        Sent::get("/refused", "502"),
        Sent::get("/pair", "500, 200"),
        Sent::get("/accel", "200 : 500, 200"),
        Sent::get("/handled", "404 : 500"),
    ]
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(if place > three.len() {
                b'='
            } else {
                DIGITS[digit as usize]
            });
        }
    }
    text
}

//! What the first bytes on a connection say.

use nginx_probe_ebpf::connection::{Connection, REQUEST_LEN, flag, protocol, role};

use crate::user;

/// What an upstream's first bytes are.
pub enum Answer {
    /// Not enough of them yet, or none that counts.
    More,
    /// The status of its answer.
    Status(u16),
    /// Nothing that its protocol knows.
    Invalid,
}

/// Bytes of `HTTP/1.1 200`.
const STATUS_LINE: u64 = 12;

/// The status when there is `HTTP/1.1 200` at an address of the running process.
#[inline]
pub fn of_http(address: u64) -> Option<u16> {
    let head = user::read::<[u8; 12]>(address).ok()?;
    if is_http(&head) {
        digits(head[9], head[10], head[11])
    } else {
        None
    }
}

#[inline]
const fn is_http(head: &[u8; 12]) -> bool {
    head[0] == b'H'
        && head[1] == b'T'
        && head[2] == b'T'
        && head[3] == b'P'
        && head[4] == b'/'
        // uWSGI repeats the client's protocol, which may be HTTP/2.0.
        && (head[5] == b'1' || head[5] == b'2')
        && head[6] == b'.'
        && head[8] == b' '
}

#[inline]
const fn digits(a: u8, b: u8, c: u8) -> Option<u16> {
    let (a, b, c) = (
        a.wrapping_sub(b'0'),
        b.wrapping_sub(b'0'),
        c.wrapping_sub(b'0'),
    );
    if a > 9 || b > 9 || c > 9 {
        return None;
    }
    Some(a as u16 * 100 + b as u16 * 10 + c as u16)
}

/// What an upstream answers, in the `length` bytes at `start`.
#[inline]
pub fn of_upstream(connection: &mut Connection, start: u64, length: u64) -> Answer {
    if connection.protocol == protocol::FASTCGI {
        return of_fastcgi(connection, start, length);
    }
    if length < STATUS_LINE {
        return Answer::More;
    }
    let Ok(head) = user::read::<[u8; 12]>(start) else {
        return Answer::More;
    };
    if is_http(&head) {
        return match digits(head[9], head[10], head[11]) {
            Some(status) if status < 200 => Answer::More,
            Some(status) => Answer::Status(status),
            None => Answer::Invalid,
        };
    }
    match connection.protocol {
        protocol::HTTP => Answer::Invalid,
        // Headers alone, as CGI has them.
        protocol::SCGI | protocol::UWSGI => Answer::Status(if is_status_header(&head) {
            digits(head[8], head[9], head[10]).unwrap_or(200)
        } else {
            200
        }),
        _ => Answer::More,
    }
}

/// `Status: 500`, in either case.
#[inline]
const fn is_status_header(head: &[u8; 12]) -> bool {
    head[0] | 0x20 == b's'
        && head[1] | 0x20 == b't'
        && head[2] | 0x20 == b'a'
        && head[3] | 0x20 == b't'
        && head[4] | 0x20 == b'u'
        && head[5] | 0x20 == b's'
        && head[6] == b':'
        && head[7] == b' '
}

/// Records of a `FastCGI` answer that are looked at for the first one of standard output.
const MAX_RECORDS: u32 = 8;
const FASTCGI_HEADER: u64 = 8;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;
const END: u8 = 3;

/// Looks through whole records for the one in which standard output begins. Standard error comes
/// before it, in as many records as there are lines.
#[inline]
fn of_fastcgi(connection: &mut Connection, start: u64, length: u64) -> Answer {
    let mut at = 0u64;
    for _ in 0..MAX_RECORDS {
        if at + FASTCGI_HEADER > length {
            return Answer::More;
        }
        let Ok([version, kind, _, _, high, low, padding, _]) = user::read::<[u8; 8]>(start + at)
        else {
            return Answer::More;
        };
        if version != 1 {
            return Answer::Invalid;
        }
        let content = u64::from(u16::from_be_bytes([high, low]));
        if kind == STDERR && content != 0 {
            connection.flags |= flag::STDERR;
        } else if kind == STDOUT && content != 0 {
            return of_headers(start + at + FASTCGI_HEADER);
        } else if kind == END {
            return Answer::Invalid;
        }
        at += FASTCGI_HEADER + content + u64::from(padding);
    }
    Answer::More
}

/// The `Status` header, which applications send first; one behind others is not found, and the answer
/// is taken for a 200.
#[inline]
fn of_headers(start: u64) -> Answer {
    let Ok(head) = user::read::<[u8; 12]>(start) else {
        return Answer::More;
    };
    if is_status_header(&head) {
        return match digits(head[8], head[9], head[10]) {
            Some(status) => Answer::Status(status),
            None => Answer::Invalid,
        };
    }
    Answer::Status(200)
}

/// What a worker's first bytes to an upstream speak.
#[inline]
pub const fn protocol(head: [u8; 8]) -> u8 {
    if begins(&head, &[1, 1]) {
        protocol::FASTCGI
    } else if begins(&head, &[0x16, 3]) {
        protocol::TLS
    } else if begins(&head, b"PRI *") {
        protocol::GRPC
    } else if is_word(&head) {
        protocol::HTTP
    } else if head[0].is_ascii_digit() && (head[1].is_ascii_digit() || head[1] == b':') {
        protocol::SCGI
    } else if head[3] == 0 && head[2] < 0x80 && (head[1] != 0 || head[2] != 0) {
        // Modifier, size in two bytes, modifier; then the length of the first name.
        protocol::UWSGI
    } else {
        protocol::UNKNOWN
    }
}

/// Whether bytes begin with others, of which there are no more.
#[inline]
const fn begins<const N: usize, const M: usize>(bytes: &[u8; N], with: &[u8; M]) -> bool {
    let mut at = 0;
    while at < M && at < N {
        if bytes[at] != with[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Capitals up to a space.
#[inline]
const fn is_word<const N: usize>(head: &[u8; N]) -> bool {
    let mut at = 0;
    while at < 8 && at < N {
        if head[at] == b' ' {
            return at > 1;
        }
        if !head[at].is_ascii_uppercase() {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a request begins with a method.
#[inline]
pub const fn is_method(request: &[u8; REQUEST_LEN]) -> bool {
    is_word(request)
}

/// `PRI * HTTP/2`.
#[inline]
pub const fn is_http2(request: &[u8; REQUEST_LEN]) -> bool {
    begins(request, b"PRI * ")
}

/// The line, or the bytes, that a balancer puts before a connection's first request.
#[inline]
pub const fn is_proxy_header(request: &[u8; REQUEST_LEN]) -> bool {
    begins(request, b"PROXY ") || begins(request, b"\r\n\r\n\0\r")
}

/// Bytes of such a header: to the end of its line, of at most 107 bytes, or as its length says.
#[inline]
pub fn proxy_header_length(request: &[u8; REQUEST_LEN]) -> u64 {
    const LINE: usize = 107;
    if request[0] != b'P' {
        return 16 + u64::from(u16::from_be_bytes([request[14], request[15]]));
    }
    let line = request.iter().take(LINE).zip(1u64..);
    for (byte, length) in line {
        if *byte == b'\n' {
            return length;
        }
    }
    LINE as u64
}

/// Whose connection it is that was there before the agent, by what is read from it.
#[inline]
pub fn role_by_received(buffer: u64, length: u64) -> Option<u8> {
    if length < 8 {
        return None;
    }
    let head = user::read::<[u8; 8]>(buffer).ok()?;
    if begins(&head, b"HTTP/") {
        Some(role::UPSTREAM)
    } else if is_word(&head) || begins(&head, &[0x16, 3]) || begins(&head, b"\r\n\r\n\0\r") {
        Some(role::CLIENT)
    } else {
        None
    }
}

/// The same, by what is written to it.
#[inline]
pub fn role_by_sent(buffer: u64) -> Option<u8> {
    let head = user::read::<[u8; 8]>(buffer).ok()?;
    if begins(&head, b"HTTP/") {
        Some(role::CLIENT)
    } else if is_word(&head) || begins(&head, &[1, 1]) {
        Some(role::UPSTREAM)
    } else {
        None
    }
}

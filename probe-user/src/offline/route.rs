//! What a request asked for, without what differs from one client to the next.

use crate::access_log::Entry;

/// The longest route that is kept, in bytes.
const MOST: usize = 120;

/// Writes method and path of a request into `route`: no query, no parameters behind a `;`, and
/// `:id` for every segment that is a number, a UUID, or hexadecimal of 8 digits or more.
pub fn write(entry: &Entry<'_>, route: &mut Vec<u8>) {
    route.clear();
    let Some(path) = entry.path_without_query() else {
        route.extend_from_slice(b"(no request line)");
        return;
    };
    route.extend_from_slice(entry.method().unwrap_or(b"?"));
    route.push(b' ');
    for (at, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
            route.push(b'/');
        }
        let end = memchr::memchr(b';', segment).unwrap_or(segment.len());
        let segment = segment.get(..end).unwrap_or_default();
        let dot = memchr::memrchr(b'.', segment).filter(|dot| *dot > 0);
        let (stem, extension) = segment
            .split_at_checked(dot.unwrap_or(segment.len()))
            .unwrap_or((segment, b""));
        if is_id(stem) {
            route.extend_from_slice(b":id");
            route.extend_from_slice(extension);
        } else {
            route.extend_from_slice(segment);
        }
        if route.len() > MOST {
            route.truncate(MOST);
            route.extend_from_slice("…".as_bytes());
            return;
        }
    }
}

fn is_id(text: &[u8]) -> bool {
    let hex = |text: &[u8]| text.iter().all(u8::is_ascii_hexdigit);
    match text {
        [] => false,
        text if text.iter().all(u8::is_ascii_digit) => true,
        text if text.len() == 36 => text
            .split(|byte| *byte == b'-')
            .map(|part| if hex(part) { part.len() } else { 0 })
            .eq([8, 4, 4, 4, 12]),
        text => text.len() >= 8 && hex(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::{Escape, Format};

    fn of(request: &str) -> String {
        let format = Format::compile(br#""$request""#, Escape::Default).expect("a format");
        let line = format!("\"{request}\"");
        let mut entry = Entry::default();
        assert!(format.parse(line.as_bytes(), &mut entry), "{line}");
        let mut route = b"from before".to_vec();
        write(&entry, &mut route);
        String::from_utf8_lossy(&route).into_owned()
    }

    #[test]
    fn ids_and_queries_are_left_out() {
        for (request, route) in [
            ("GET /a/12/b?token=x HTTP/1.1", "GET /a/:id/b"),
            (
                "POST /u/0b9fd3c0-1111-2222-3333-444455556666 HTTP/1.1",
                "POST /u/:id",
            ),
            ("GET /o/deadBEEF/12a HTTP/1.1", "GET /o/:id/12a"),
            ("GET /img/1234.jpg HTTP/1.1", "GET /img/:id.jpg"),
            ("GET /s;jsessionid=1/x;y HTTP/1.1", "GET /s/x"),
            ("GET / HTTP/1.1", "GET /"),
            ("GET /v1/feed/ HTTP/1.1", "GET /v1/feed/"),
            ("GET * HTTP/1.1", "GET *"),
            (r"\x16\x03", "(no request line)"),
            ("", "(no request line)"),
            ("-", "(no request line)"),
            ("GET /.git/1.2 HTTP/1.0", "GET /.git/:id.2"),
        ] {
            assert_eq!(of(request), route);
        }
        let long = of(&format!("GET /{} HTTP/1.1", "x".repeat(9000)));
        assert!(long.len() < 130 && long.ends_with('…'), "{long}");
    }
}

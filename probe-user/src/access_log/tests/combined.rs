//! nginx's own format.

use super::*;

const PLAIN: &str =
    r#"203.0.113.9 - - [22/Nov/2026:16:01:50 +0000] "GET /a?b HTTP/1.1" 500 177 "-" "curl/7.88.1""#;

#[test]
fn a_plain_line() {
    let format = Format::combined();
    let mut entry = Entry::default();
    assert!(format.parse(PLAIN.as_bytes(), &mut entry));
    assert_eq!(entry.get(Field::RemoteAddr), Some(&b"203.0.113.9"[..]));
    assert_eq!(entry.get(Field::RemoteUser), Some(&b"-"[..]));
    assert_eq!(entry.present(Field::RemoteUser), None);
    assert_eq!(entry.time(), Some(1_795_363_310_000_000));
    assert_eq!(entry.get(Field::Request), Some(&b"GET /a?b HTTP/1.1"[..]));
    assert_eq!(entry.method(), Some(&b"GET"[..]));
    assert_eq!(entry.path_without_query(), Some(&b"/a"[..]));
    assert_eq!(entry.status(), Some(500));
    assert_eq!(entry.body_bytes_sent(), Some(177));
    assert_eq!(entry.get(Field::UserAgent), Some(&b"curl/7.88.1"[..]));
    assert_eq!(entry.get(Field::UpstreamStatus), None);
    assert_eq!(entry.upstream_status().count(), 0);
    assert!(!format.gives(Field::Pid) && format.gives(Field::Status));
    assert!(format.is_unambiguous());
    assert!(format.unreadable().is_empty());
}

#[test]
fn what_does_not_fit_is_refused() {
    let format = Format::combined();
    for (part, other) in [
        ("203.0.113.9 - ", ""),
        ("203.0.113.9", ""),
        ("203.0.113.9", "host"),
        ("- [22", "-[22"),
        ("22/Nov", "2/Nov"),
        ("22/Nov", "2x/Nov"),
        ("22/Nov", "2:/Nov"),
        ("+0000", "*0000"),
        (" 500 ", " 50 "),
        (" 500 ", " 5000 "),
        (" 500 ", " +50 "),
        (" 500 ", " - "),
        (" 177 ", " - "),
        (" 177 ", " 17x7 "),
        (" 177 ", " 999999999999999999999 "),
        ("\"-\"", "-"),
        ("88.1\"", "88.1"),
        ("88.1\"", "88.1\"x"),
        ("HTTP/1.1\"", "HTTP/1.1\" "),
    ] {
        let line = PLAIN.replacen(part, other, 1);
        assert_ne!(line, PLAIN);
        assert_eq!(values(&format, line.as_bytes()), None, "{line}");
    }
    for line in ["", "\"", "[] \"", "{\"status\":500}", "\0\0\0", " - ["] {
        assert_eq!(values(&format, line.as_bytes()), None, "{line}");
    }
    for end in 0..PLAIN.len() {
        assert_eq!(values(&format, &PLAIN.as_bytes()[..end]), None, "{end}");
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
    let format = Format::combined();
    let mut shown = Vec::new();
    let read = format.for_each_line(BY_NGINX.trim_start().as_bytes(), |entry| {
        let entry = entry.unwrap();
        let text = |field| String::from_utf8_lossy(entry.get(field).unwrap());
        let (user, request) = (text(Field::RemoteUser), text(Field::Request));
        shown.push(format!("{user} {} {request}", entry.status().unwrap()));
    });
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
    assert_eq!(
        (read.parsed, read.unparsed, read.bytes),
        (7, 0, BY_NGINX.len() - 1)
    );
}

#[test]
fn a_line_without_its_end_is_left() {
    let mut lines = Vec::new();
    let text = format!("{PLAIN}\nno line\n\n{PLAIN}");
    let read = Format::combined().for_each_line(text.as_bytes(), |entry| {
        lines.push(entry.map(Entry::status).map_err(<[u8]>::len));
    });
    assert_eq!(lines, [Ok(Some(500)), Err(7), Err(0)]);
    assert_eq!((read.parsed, read.unparsed), (1, 2));
    assert_eq!(&text.as_bytes()[read.bytes..], PLAIN.as_bytes());
}

#[test]
fn an_entry_forgets_the_format_before() {
    let mut entry = Entry::default();
    assert!(Format::combined().parse(PLAIN.as_bytes(), &mut entry));
    assert!(compile("$pid", Escape::Default).parse(b"17", &mut entry));
    assert_eq!(entry.get(Field::Status), None);
    assert_eq!(entry.pid(), Some(17));
}

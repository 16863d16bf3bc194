//! Formats and lines that are meant to cost: time must grow with length.

use std::time::{Duration, Instant};

use super::*;

/// All lines of one format take a debug build about a second; one quadratic line, minutes.
const LIMIT: Duration = Duration::from_secs(20);

fn in_time(what: &str, work: impl FnOnce()) {
    let started = Instant::now();
    work();
    assert!(started.elapsed() < LIMIT, "{what}: {:?}", started.elapsed());
}

fn long(part: &str) -> Vec<u8> {
    part.bytes().cycle().take(128 << 10).collect()
}

#[test]
fn large_formats() {
    let many = "$status ".repeat(8000);
    let formats = [
        "$a ".repeat(20_000),
        "$a".repeat(30_000),
        many.clone(),
        format!("$uri {many}"),
        format!("$uri{}", " ".repeat(60_000)),
        format!("$uri{}x$status", " ".repeat(60_000)),
        "$upstream_addr, ".repeat(4000),
        "$upstream_status : ".repeat(3000),
        "x".repeat(MAX_FORMAT),
        "$server_port".repeat(5000),
        "$server_port;".repeat(5000),
    ];
    let lines = [
        "200 ", " ", "200", "1, 1 : ", ", ", " : ", "-", "\0", ";", "\"", "\\\"",
    ];
    for text in &formats {
        in_time("large formats", || {
            for escape in [Escape::Default, Escape::Json, Escape::None] {
                let format = compile(text, escape);
                for line in lines.map(long) {
                    let mut entry = Entry::default();
                    let _ = format.parse(&line, &mut entry);
                }
            }
        });
    }
    assert_eq!(
        Format::compile(&vec![b'$'; MAX_FORMAT + 1], Escape::Json).unwrap_err(),
        FormatError::TooLong(MAX_FORMAT + 1)
    );
}

#[test]
fn ten_thousand_variables_are_read() {
    let format = compile(&"$status;".repeat(8000), Escape::Default);
    assert!(values(&format, "200;".repeat(8000).as_bytes()).is_some());
    assert!(values(&format, "200;".repeat(7999).as_bytes()).is_none());
    let format = compile(&"$a;".repeat(10_000), Escape::None);
    assert!(values(&format, ";".repeat(10_000).as_bytes()).is_some());
}

#[test]
fn long_lines() {
    let formats = [
        (Format::combined(), "a combined line"),
        (Format::known("upstreaminfo").unwrap(), "upstreaminfo"),
        (
            compile("$uri $upstream_addr;", Escape::Default),
            "a list to its end",
        ),
        (
            compile(
                "$uri $upstream_status $upstream_status $x $pid;",
                Escape::None,
            ),
            "lists",
        ),
        (compile("$uri.$upstream_addr;", Escape::None), "peers"),
        (
            compile("$uri $host $uri $host $status", Escape::None),
            "texts",
        ),
        (compile("\"$request\" \"$uri\"", Escape::Json), "quotes"),
    ];
    let parts = [
        " ",
        "1, ",
        "1.1.1.1",
        "- : ",
        "a:1, ",
        "200 ",
        " [22/Nov/2026:16:01:50 +0000] ",
        " - x [",
        "\\\"",
        "\\",
        "\"",
        "\0",
        "[",
        "a",
    ];
    for (format, what) in &formats {
        in_time(what, || {
            for line in parts.map(long) {
                for before in ["", "127.0.0.1 - ", "\""] {
                    let line = [before.as_bytes(), &line].concat();
                    let mut entry = Entry::default();
                    let _ = format.parse(&line, &mut entry);
                    let _ = (entry.method(), entry.path_without_query(), entry.time());
                }
            }
        });
    }
}

#[test]
fn a_long_request_is_read() {
    let uri = "/".repeat(1 << 20);
    let line = format!(
        r#"::1 - {} [22/Nov/2026:16:01:50 +0000] "GET {uri} HTTP/1.1" 414 0 "-" "-""#,
        " [x".repeat(5000)
    );
    let format = Format::combined();
    assert_eq!(value(&format, &line, Field::Status), Some("414"));
    let mut entry = Entry::default();
    assert!(format.parse(line.as_bytes(), &mut entry));
    assert_eq!(entry.path_without_query(), Some(uri.as_bytes()));
}

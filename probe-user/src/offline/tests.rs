//! Whatever a log holds, each of its lines is counted once.

use std::sync::Arc;

use proptest::prelude::*;

use super::{feed::Take as _, layout::Layout, reader::Reader};

const ACCESS: &str =
    r#"192.0.2.1 - - [22/Nov/2026:10:00:01 +0000] "GET /a HTTP/1.1" 502 5 "-" "x""#;
const ERROR: &str = "2026/11/22 10:00:01 [error] 1#1: *1 lua entry thread aborted: x";
const OBJECT: &str = r#"{"time":"2026-11-22T10:00:01+00:00","status":500,"path":"/a"}"#;

fn line() -> impl Strategy<Value = Vec<u8>> {
    let whole = [
        ACCESS,
        ERROR,
        OBJECT,
        "nginx: [emerg] bind() failed",
        "\tin main chunk, client: 192.0.2.1, server: x, request: \"GET /a HTTP/1.1\", host: \"x\"",
        "shop 192.0.2.1 [22/Nov/2026:10:00:01 +0000] \"GET /a HTTP/1.1\" 500 rt=0.010 us=-",
        "==> access.log <==",
        "",
        "\r",
        "\0\0\0",
        "  ",
    ];
    let before = prop::sample::select(vec![
        "",
        "web-1  | ",
        "Nov 22 10:00:01 h nginx: ",
        "\u{feff}",
    ]);
    let known = (before, prop::sample::select(whole.to_vec()))
        .prop_map(|(before, line)| format!("{before}{line}").into_bytes());
    let any = prop::collection::vec(
        any::<u8>().prop_filter("a feed", |byte| *byte != b'\n'),
        0..80,
    );
    let text = r#"[\[\]{}":,=| a-c0-9/-]{0,60}"#.prop_map(String::into_bytes);
    prop_oneof![6 => known, 1 => any, 2 => text]
}

fn read(log: &[u8], block: usize) -> Reader {
    let layout = Arc::new(Layout::of(log, None, false));
    let mut reader = Reader::default();
    reader.begin(&layout);
    let mut lines = log
        .split_inclusive(|byte| *byte == b'\n')
        .collect::<Vec<_>>();
    while !lines.is_empty() {
        let rest = lines.split_off(block.min(lines.len()));
        reader.lines(&lines.concat());
        lines = rest;
    }
    reader.finish();
    reader
}

proptest! {
    #[test]
    fn each_line_is_counted_once(
        lines in prop::collection::vec(line(), 0..60),
        block in 1_usize..80,
        ends in any::<bool>(),
    ) {
        let mut log = lines.join(&b'\n');
        if ends && !log.is_empty() {
            log.push(b'\n');
        }
        let count = log.split_inclusive(|byte| *byte == b'\n').count() as u64;
        let mut reader = read(&log, block);
        prop_assert_eq!(reader.lines, count);
        let kinds = reader.tally.lines + reader.errors.lines + reader.blank;
        prop_assert_eq!(reader.lines, kinds);
        let statuses: u64 = reader.tally.statuses.0.iter().sum();
        prop_assert_eq!(reader.tally.lines - reader.tally.unparsed, statuses);
        let formats: u64 = reader.tally.formats().iter().map(|(_, count)| *count).sum();
        prop_assert_eq!(formats, statuses);
    }
}

#[test]
fn hostile_lines_cost_little() {
    for line in [
        "a.:".repeat(80),
        "\" ".repeat(2000),
        "{\"a\":".repeat(9000),
        "a=".repeat(9000),
        "| , ; ".repeat(900),
    ] {
        let log = (line + "\n").repeat(200);
        let reader = read(log.as_bytes(), 50);
        assert_eq!(reader.lines, 200);
    }
}

//! The format of a log whose lines are JSON objects, derived from their keys.
//!
//! nginx writes every line of a log with the same text between the values, so one line shows it.

use crate::access_log::{Entry, Escape, Field, Format};

/// Longer lines are not looked at, nor are deeper objects.
const MOST_LINE: usize = 64 * 1024;
const MOST_DEPTH: u8 = 8;
/// Lines of a sample that are looked at.
const SAMPLE: usize = 100;

/// What keys are usual for a variable.
const KEYS: [(&str, &[&str]); 9] = [
    (
        "status",
        &[
            "status_code",
            "http_status",
            "response_status",
            "response_code",
        ],
    ),
    ("request", &["request_line"]),
    ("request_method", &["method", "http_method", "verb"]),
    ("request_uri", &["uri", "url", "path"]),
    ("request_time", &["duration", "request_duration"]),
    ("upstream_status", &["upstream_code"]),
    ("upstream_addr", &["upstream", "upstream_address"]),
    (
        "upstream_response_time",
        &["response_time", "upstream_time"],
    ),
    ("remote_addr", &["client", "client_ip", "remote_ip"]),
];

/// A format that at least half of the first lines are in, with a `$status` in it.
pub fn derive<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Format> {
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).take(SAMPLE).collect();
    let mut best = None;
    let mut most = 0;
    for line in lines.iter().take(3) {
        let Some(text) = format_of(line) else {
            continue;
        };
        for escape in [Escape::Json, Escape::Default] {
            let Ok(format) = Format::compile(&text, escape) else {
                continue;
            };
            let mut entry = Entry::default();
            let fit = lines
                .iter()
                .filter(|line| format.parse(line, &mut entry))
                .count();
            // Only one mode writes `-` for an upstream that was not there.
            let dash = |line: &&&[u8]| memchr::memmem::find(line, b"\"-\"").is_some();
            let dashes = lines.iter().filter(dash).count();
            let fit = fit * 2 + usize::from((escape == Escape::Default) == (dashes > 0));
            if fit > most && format.gives(Field::Status) {
                (most, best) = (fit, Some(format));
            }
        }
    }
    best.filter(|_| most >= lines.len())
}

/// The text of a line with variables in place of the values.
fn format_of(line: &[u8]) -> Option<Vec<u8>> {
    if !line.starts_with(b"{") || line.len() > MOST_LINE {
        return None;
    }
    let mut format = Vec::with_capacity(line.len());
    let mut used = Vec::new();
    let mut key: &[u8] = b"";
    let mut depth = 0_u8;
    let mut at = 0;
    let mut after_colon = false;
    while let Some(&byte) = line.get(at) {
        match byte {
            b'{' | b'[' => {
                depth = depth.checked_add(1).filter(|depth| *depth <= MOST_DEPTH)?;
                after_colon = false;
            }
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b':' => after_colon = true,
            b',' => after_colon = false,
            b'"' => {
                let end = at + 1 + closing_quote(line.get(at + 1..)?)?;
                let text = line.get(at + 1..end)?;
                format.push(b'"');
                if std::mem::take(&mut after_colon) {
                    variable(key, text, &mut used, &mut format);
                } else {
                    key = text;
                    format.extend_from_slice(text);
                }
                format.push(b'"');
                at = end + 1;
                continue;
            }
            b'-' | b'0'..=b'9' if after_colon => {
                let rest = line.get(at..)?;
                let end = rest.iter().position(|byte| b",}] ".contains(byte))?;
                variable(key, rest.get(..end)?, &mut used, &mut format);
                after_colon = false;
                at += end;
                continue;
            }
            _ => {}
        }
        format.push(byte);
        at += 1;
    }
    (depth == 0).then_some(format)
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?,
        }
    }
}

/// Writes the variable that a key and its value stand for; of an unknown one, a name that means
/// nothing.
fn variable<'a>(key: &'a [u8], value: &[u8], used: &mut Vec<&'a str>, format: &mut Vec<u8>) {
    let name = std::str::from_utf8(key).ok().and_then(|key| {
        let known = KEYS
            .iter()
            .find(|(name, keys)| *name == key || keys.contains(&key));
        let name = known.map_or(key, |(name, _)| *name);
        let name = if is_time(key) { time(value)? } else { name };
        let fits = known.is_some() || is_time(key) || name.starts_with("upstream_");
        (fits && !used.contains(&name)).then_some(name)
    });
    if let Some(name) = name {
        used.push(name);
    }
    format.push(b'$');
    format.extend_from_slice(name.unwrap_or("unknown").as_bytes());
}

fn is_time(key: &str) -> bool {
    let keys = [
        "time",
        "timestamp",
        "@timestamp",
        "ts",
        "time_local",
        "time_iso8601",
        "msec",
    ];
    keys.contains(&key)
}

/// The variable that a time is written by.
fn time(value: &[u8]) -> Option<&'static str> {
    match (value.len(), value.get(2), value.get(10)) {
        (26, Some(b'/'), _) => Some("time_local"),
        (25, _, Some(b'T')) => Some("time_iso8601"),
        (14, _, Some(b'.')) => Some("msec"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_variables() {
        for (line, expected) in [
            (
                r#"{"time":"2026-11-22T16:01:50+00:00","status":502,"ua":"curl \"x\""}"#,
                r#"{"time":"$time_iso8601","status":$status,"ua":"$unknown"}"#,
            ),
            (
                r#"{"ts": 1795363310.123, "http": {"method":"GET","url":"/a?b"}, "n": null}"#,
                r#"{"ts": $msec, "http": {"method":"$request_method","url":"$request_uri"}, "n": null}"#,
            ),
            (
                r#"{"status":"200","status_code":"200","upstream_addr":""}"#,
                r#"{"status":"$status","status_code":"$unknown","upstream_addr":"$upstream_addr"}"#,
            ),
        ] {
            let format = format_of(line.as_bytes()).expect(line);
            assert_eq!(String::from_utf8_lossy(&format), expected);
        }
        for line in ["", "x", "{", r#"{"a"#, r#"{"a":1"#, "}}", &"{".repeat(99)] {
            assert_eq!(format_of(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_escape_mode_is_seen() {
        let line = |addr| format!(r#"{{"status":"500","upstream_addr":"{addr}"}}"#);
        for (addr, escape) in [("-", Escape::Default), ("", Escape::Json)] {
            let line = line(addr);
            let format = derive([line.as_bytes()].into_iter()).expect("a format");
            assert_eq!(format.escape(), escape, "{addr}");
        }
        assert!(derive([&br#"{"request":"x"}"#[..]].into_iter()).is_none());
    }
}

//! Any values, written by nginx's rules in any format, come back: unless the format says that it
//! is ambiguous or that values cannot be told apart.
//!
//! Input: the escape mode, then the format on a line, then values on lines of their own, which the
//! variables take in turn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_probe::access_log::{Entry, Escape, Field, Format};
use nginx_probe_fuzz::{escape, logged};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let escape = escape(choice);
    let mut lines = input.split(|byte| *byte == b'\n');
    let text = lines.next().unwrap_or_default();
    let Ok(format) = Format::compile(text, escape) else {
        return;
    };
    let mut values: Vec<_> = lines.collect();
    if values.is_empty() {
        values.push(b"");
    }
    let written = Written::of(text, escape, &values);
    let mut entry = Entry::default();
    let fits = format.parse(&written.line, &mut entry);
    let certain = format.is_unambiguous() && format.unreadable().is_empty();
    if !certain || written.twice || written.runs_on {
        return;
    }
    assert!(fits, "{}", written.line.escape_ascii());
    for (field, value) in &written.values {
        let read = entry.get(*field);
        assert_eq!(read, Some(&value[..]), "{field:?}");
    }
});

/// What nginx writes.
#[derive(Default)]
struct Written {
    line: Vec<u8>,
    values: Vec<(Field, Vec<u8>)>,
    /// A field is there twice, of which the parser keeps one.
    twice: bool,
    /// A value may hold what the text behind it begins with, as in `${pid}0`: such lines are not
    /// read, or not as they were meant.
    runs_on: bool,
}

impl Written {
    fn of(mut text: &[u8], escape: Escape, values: &[&[u8]]) -> Self {
        let mut written = Self::default();
        let mut values = values.iter().cycle();
        while let Some((&byte, rest)) = text.split_first() {
            if byte != b'$' {
                written.line.push(byte);
                text = rest;
                continue;
            }
            let braced = rest.strip_prefix(b"{");
            let name = braced.unwrap_or(rest);
            let length = name.iter().position(|byte| !is_of_name(*byte));
            let (name, after) = name.split_at(length.unwrap_or(name.len()));
            text = if braced.is_some() { &after[1..] } else { after };
            written.runs_on |= text.first().is_some_and(|&next| runs_on(name, next));
            // A peer has any name: what stands behind a separator may be one more of them.
            let separated = text.starts_with(b", ") || text.starts_with(b" : ");
            written.runs_on |= name == b"upstream_addr" && separated;
            let value = value(name, values.next().unwrap_or(&&b""[..]), escape);
            if let Some(field) = field(name) {
                written.twice |= written.values.iter().any(|(other, _)| *other == field);
                written.values.push((field, value.clone()));
            }
            written.line.extend(value);
        }
        written
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether the value of a variable may hold the byte behind it.
fn runs_on(name: &[u8], next: u8) -> bool {
    let word = next.is_ascii_alphanumeric() || next == b'-';
    match name {
        b"upstream_addr" => word || b".:/_\\,[]".contains(&next),
        _ if name.starts_with(b"upstream_") => word || b".:,".contains(&next),
        b"remote_addr" | b"realip_remote_addr" => word || b".:".contains(&next),
        b"request_id"
        | b"remote_port"
        | b"server_port"
        | b"realip_remote_port"
        | b"pid"
        | b"connection"
        | b"body_bytes_sent"
        | b"bytes_sent"
        | b"request_length"
        | b"connection_requests" => word,
        _ => false,
    }
}

fn field(name: &[u8]) -> Option<Field> {
    Some(match name {
        b"status" => Field::Status,
        b"upstream_status" => Field::UpstreamStatus,
        b"upstream_addr" => Field::UpstreamAddr,
        b"upstream_response_time" => Field::UpstreamResponseTime,
        b"request_time" => Field::RequestTime,
        b"request" => Field::Request,
        b"uri" | b"document_uri" => Field::Uri,
        b"host" => Field::Host,
        b"remote_addr" => Field::RemoteAddr,
        b"remote_port" => Field::RemotePort,
        b"remote_user" => Field::RemoteUser,
        b"time_local" => Field::TimeLocal,
        b"time_iso8601" => Field::TimeIso8601,
        b"msec" => Field::Msec,
        b"pid" => Field::Pid,
        b"connection" => Field::Connection,
        b"request_id" => Field::RequestId,
        b"http_user_agent" => Field::UserAgent,
        _ => return None,
    })
}

/// What nginx writes for a variable; `seed` decides.
fn value(name: &[u8], seed: &[u8], escape: Escape) -> Vec<u8> {
    let missing = if escape == Escape::Default { "-" } else { "" };
    let at = |index: usize| seed.get(index).copied().map_or(0, usize::from);
    let number = |index: usize| (at(index) * 251 + at(index + 1)).to_string();
    let decimal = |index| format!("{}.{:03}", number(index), at(index + 2) * 3 % 1000);
    let list = |element: &dyn Fn(usize) -> String| {
        if seed.is_empty() {
            return missing.to_owned();
        }
        let mut text = element(1);
        for index in 0..at(0) % 4 {
            text += [", ", " : "][at(index + 4) % 2];
            text += &element(index + 2);
        }
        // A redirect that went to no upstream.
        text + if at(0) % 7 == 6 { " : " } else { "" }
    };
    let or_dash = |index: usize, text: String| match at(index) % 4 {
        0 => "-".to_owned(),
        _ => text,
    };
    let peers = ["10.0.0.1:80", "[::1]:8080", "unix:/run/a.sock", "backend"];
    let one_of = |texts: &[&str]| texts[at(0) % texts.len()].to_owned();
    let text = match name {
        b"status" => format!("{:03}", at(0) * 4 % 1000),
        b"request_time" | b"msec" => decimal(0),
        b"time_local" => "22/Nov/2026:16:01:50 -0130".to_owned(),
        b"time_iso8601" => "2026-11-22T16:01:50+00:00".to_owned(),
        b"body_bytes_sent"
        | b"bytes_sent"
        | b"request_length"
        | b"connection_requests"
        | b"connection"
        | b"pid" => number(0),
        b"remote_addr" | b"realip_remote_addr" => one_of(&["::1", "192.0.2.1", "unix:", "fe80::a"]),
        b"remote_port" | b"server_port" | b"realip_remote_port" => {
            or_dash(0, number(0)).replace('-', missing)
        }
        b"request_id" => match at(0) % 3 {
            0 => missing.to_owned(),
            _ => format!("{:032x}", at(0) * 0xfff_ffff + at(1)),
        },
        b"upstream_status" => list(&|index| or_dash(index, (at(index) * 4 % 1000).to_string())),
        b"upstream_addr" => list(&|index| peers[at(index) % peers.len()].to_owned()),
        b"upstream_response_time" | b"upstream_connect_time" | b"upstream_header_time" => {
            list(&|index| or_dash(index, decimal(index)))
        }
        b"upstream_response_length" | b"upstream_bytes_received" | b"upstream_bytes_sent" => {
            list(&|index| or_dash(index, number(index)))
        }
        _ if seed.is_empty() => missing.to_owned(),
        _ => return logged(seed, escape).into_owned(),
    };
    text.into_bytes()
}

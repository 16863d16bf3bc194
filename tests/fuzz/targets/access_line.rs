//! Any log, read in formats that are in use.
//!
//! Input: the format, then the log.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nginx_probe::access_log::{Entry, Escape, Field, Format, KNOWN, detect};
use nginx_probe_fuzz::{ask, is_piece, read_line};

const MORE: [(Escape, &str); 6] = [
    (
        Escape::Json,
        concat!(
            r#"{"time":"$time_iso8601","addr":"$remote_addr","user":"$remote_user","#,
            r#""request":"$request","status":$status,"bytes":$body_bytes_sent,"#,
            r#""upstream":"$upstream_addr","upstream_status":"$upstream_status","#,
            r#""took":$request_time,"agent":"$http_user_agent","id":"$request_id"}"#
        ),
    ),
    (
        Escape::Json,
        r#"{"msec":$msec,"uri":"$uri","method":"$request_method","connection":$connection,"pid":$pid}"#,
    ),
    (
        Escape::None,
        r#"$remote_addr:$remote_port [$time_local] $request $status $upstream_status : $upstream_addr "$http_referer""#,
    ),
    (
        Escape::None,
        "$msec\t$status\t$request_uri\t$upstream_response_time\t$upstream_connect_time\t$host",
    ),
    (
        Escape::Default,
        "$status|$upstream_status|$upstream_addr|$upstream_response_time|$upstream_header_time|$uri",
    ),
    (
        Escape::Default,
        r#"$time_iso8601 $host "$request" $status $upstream_addr $upstream_status $upstream_response_time $request_id"#,
    ),
];

static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let known = KNOWN.iter().map(|known| (Escape::Default, known.text));
    let format = |(escape, text): (_, &str)| Format::compile(text.as_bytes(), escape);
    let formats: Result<_, _> = known.chain(MORE).map(format).collect();
    formats.expect("they compile")
});

fuzz_target!(|input: &[u8]| {
    let Some((&choice, log)) = input.split_first() else {
        return;
    };
    let format = &FORMATS[usize::from(choice) % FORMATS.len()];
    let mut lines = log.split_inclusive(|byte| *byte == b'\n');
    let mut bytes = 0;
    let read = format.for_each_line(log, |given| {
        let line = lines.next().expect("no more lines than there are");
        let line = line.strip_suffix(b"\n").expect("whole lines only");
        let mut alone = Entry::default();
        assert_eq!(format.parse(line, &mut alone), given.is_ok());
        let (Ok(given) | Err(given)) = given.map(|entry| {
            ask(entry);
            for field in Field::ALL {
                assert_eq!(entry.get(field), alone.get(field), "{field:?}");
            }
            entry.line()
        });
        assert!(given == line && is_piece(log, given));
        bytes += line.len() + 1;
    });
    assert_eq!(read.bytes, bytes);
    assert!(lines.next().is_none_or(|line| !line.ends_with(b"\n")));

    let lines: Vec<_> = log.split(|byte| *byte == b'\n').collect();
    let mut entry = Entry::default();
    let fit = lines.iter().filter(|line| format.parse(line, &mut entry));
    assert!(read.parsed <= fit.count() as u64);
    for line in &lines {
        read_line(format, line);
    }
    if let Some((name, format)) = detect(lines.iter().copied()) {
        let sample = lines.iter().filter(|line| !line.is_empty()).take(100);
        let fit = sample.clone().filter(|line| format.parse(line, &mut entry));
        let fit = fit.count();
        assert!(fit > 0 && fit * 2 >= sample.count(), "{name}");
    }
});

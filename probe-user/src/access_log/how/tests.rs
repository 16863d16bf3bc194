//! Lines as nginx writes them, and shorter ones.

use super::*;
use crate::access_log::Format;

const ALL: &str = "$status|$upstream_status|$upstream_addr|$upstream_response_time|\
                   $upstream_connect_time|$upstream_header_time";

fn how(format: &str, escape: Escape, line: &str) -> How {
    let format = Format::compile(format.as_bytes(), escape).expect("a format");
    let mut entry = Entry::default();
    assert!(format.parse(line.as_bytes(), &mut entry), "{line}");
    failed(&entry, entry.status().expect("a status"), escape)
}

/// Lines that nginx 1.22.1 wrote.
#[test]
fn each_way_to_a_failure() {
    for (line, expected) in [
        ("500|-|-|-|-|-", How::Nginx),
        ("500|-||0.000|-|-", How::Exhausted),
        ("502|502|127.0.0.1:1|0.000|-|-", How::NoConnection),
        ("502|502|unix:/none.sock|0.000|-|-", How::NoConnection),
        ("502|502|dead|0.000|-|-", How::NoConnection),
        (
            "502|502, 502|127.0.0.1:1, 127.0.0.1:2|0.000, 0.000|-, -|-, -",
            How::NoConnection,
        ),
        ("502|502|127.0.0.1:1|0.001|0.000|-", How::Closed),
        ("504|504|127.0.0.1:1|1.001|0.000|-", How::TimedOut),
        ("504|504|127.0.0.1:1|1.001|-|-", How::TimedOut),
        ("500|500|127.0.0.1:1|0.001|0.001|0.001", How::Upstream),
        ("502|502|127.0.0.1:1|0.001|0.000|0.001", How::Upstream),
        ("504|504|127.0.0.1:1|0.001|0.000|0.001", How::Upstream),
        ("500|404|127.0.0.1:1|0.002|0.001|0.002", How::Intercepted),
        (
            "500|404 : |127.0.0.1:1 : |0.002 : |0.001 : |0.002 : ",
            How::Intercepted,
        ),
        (
            "500|404 : 500|a:1 : a:2|0.001 : 0.000|0.000 : 0.000|0.001 : 0.000",
            How::Upstream,
        ),
        (
            "502|502 : 200|a:1 : a:2|0.001 : 0.001|0.000 : 0.001|- : 0.001",
            How::Closed,
        ),
        (
            "500|404 : -|127.0.0.1:1 : |0.001 : 0.000|0.000 : -|0.001 : -",
            How::Exhausted,
        ),
        (
            "500|500, 200|a:1, a:2|0.001, 0.001|0.000, 0.000|0.001, 0.001",
            How::AfterAnswer,
        ),
    ] {
        assert_eq!(how(ALL, Escape::Default, line), expected, "{line}");
    }
}

#[test]
fn a_shorter_format_proves_less_and_never_something_else() {
    for (format, escape, line, expected) in [
        ("$status", Escape::Default, "502", How::Untold),
        (
            "$status $upstream_addr",
            Escape::Default,
            "500 -",
            How::Nginx,
        ),
        (
            "$status $upstream_addr",
            Escape::Default,
            "500 10.0.0.1:80",
            How::Untold,
        ),
        (
            "$status $upstream_addr|",
            Escape::Default,
            "500 |",
            How::Exhausted,
        ),
        (
            "$status $upstream_addr|",
            Escape::Json,
            "500 |",
            How::Untold,
        ),
        (
            "$status $upstream_status",
            Escape::Default,
            "500 -",
            How::Nginx,
        ),
        (
            "$status $upstream_status|",
            Escape::Json,
            "500 |",
            How::Nginx,
        ),
        (
            "$status $upstream_status|",
            Escape::Json,
            "500 -|",
            How::Exhausted,
        ),
        (
            "$status $upstream_status",
            Escape::Default,
            "500 500",
            How::Upstream,
        ),
        (
            "$status $upstream_status",
            Escape::Default,
            "502 502",
            How::UpstreamOrNginx,
        ),
        (
            "$status $upstream_status $upstream_header_time",
            Escape::Default,
            "502 502 -",
            How::NoAnswer,
        ),
        (
            "$status $upstream_status $upstream_header_time",
            Escape::Default,
            "504 504 -",
            How::TimedOut,
        ),
        (
            "$status $upstream_status $upstream_connect_time",
            Escape::Default,
            "502 502 -",
            How::NoConnection,
        ),
        (
            "$status $upstream_status $upstream_connect_time",
            Escape::Default,
            "502 502 0.001",
            How::UpstreamOrNginx,
        ),
    ] {
        assert_eq!(how(format, escape, line), expected, "{format}: {line}");
    }
}

#[test]
fn failures_that_the_client_did_not_see() {
    let format = Format::compile(b"$status|$upstream_status", Escape::Default).expect("one");
    for (line, expected) in [
        ("200|200", Hidden::Nothing),
        ("200|-", Hidden::Nothing),
        ("404|404", Hidden::Nothing),
        ("404|500", Hidden::Masked),
        ("200|502, 200", Hidden::Saved),
        ("200|502 : 200", Hidden::Masked),
        ("404|404 : 500", Hidden::Masked),
        ("200|502, 502 : 200", Hidden::Masked),
        ("499|504", Hidden::Nothing),
        ("200|009", Hidden::Nothing),
    ] {
        let mut entry = Entry::default();
        assert!(format.parse(line.as_bytes(), &mut entry), "{line}");
        let status = entry.status().expect("a status");
        assert_eq!(hidden(&entry, status), expected, "{line}");
    }
}

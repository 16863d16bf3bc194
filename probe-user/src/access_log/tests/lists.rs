//! Lists of upstreams before text that they may hold themselves.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Elements that nginx writes for `$upstream_addr`.
const PEERS: [&str; 10] = [
    "10.0.0.1:80",
    "192.0.2.255:65535",
    "[::1]:8080",
    "[2001:db8::a:1]:443",
    "unix:/run/app-1.sock",
    "backend",
    "my-backend_2.example.org",
    "api",
    "-",
    "",
];

/// Literals that a peer may hold the first byte of.
const LITERALS: [&str; 12] = [
    "-", "/", ":", ".", "a", "ms", "-up", ":/", "0", "_", "--", ".80",
];

fn joined(elements: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (at, (separator, element)) in elements.iter().enumerate() {
        if at > 0 {
            text.push_str(separator);
        }
        text.push_str(element);
    }
    text
}

/// A format, a line, and what one of its fields is.
const ENDS: [(&str, &str, Field, Option<&str>); 17] = [
    (
        "$upstream_addr-$status",
        "10.0.0.1:80-502",
        Field::UpstreamAddr,
        Some("10.0.0.1:80"),
    ),
    (
        "$upstream_addr/$status",
        "unix:/run/a/b.sock/502",
        Field::UpstreamAddr,
        Some("unix:/run/a/b.sock"),
    ),
    (
        "$upstream_addr:$upstream_status x",
        "10.0.0.1:502:200, 200 x",
        Field::UpstreamAddr,
        Some("10.0.0.1:502"),
    ),
    (
        "$upstream_addr:$upstream_status x",
        "[::1]:80, b : [::2]:8:1, 2 : 3 x",
        Field::UpstreamAddr,
        Some("[::1]:80, b : [::2]:8"),
    ),
    (
        "$upstream_addr:$upstream_status x",
        "-:- x",
        Field::UpstreamAddr,
        Some("-"),
    ),
    (
        "$upstream_addr:$upstream_status x",
        ":- x",
        Field::UpstreamAddr,
        Some(""),
    ),
    (
        "$upstream_addr.",
        "10.0.0.1:80.",
        Field::UpstreamAddr,
        Some("10.0.0.1:80"),
    ),
    (
        "${upstream_addr}ms $status",
        "back-ms 200",
        Field::UpstreamAddr,
        Some("back-"),
    ),
    (
        "$upstream_addr-$status",
        "my-back-end-502",
        Field::UpstreamAddr,
        Some("my-back-end"),
    ),
    (
        "$upstream_addr-$host",
        "10.0.0.1:80-a-b",
        Field::UpstreamAddr,
        Some("10.0.0.1:80"),
    ),
    (
        "$upstream_addr:$host",
        "10.0.0.1:80:[::1]:5",
        Field::UpstreamAddr,
        Some("10.0.0.1:80"),
    ),
    // Nobody can tell.
    ("$upstream_addr-$host", "a-b-c", Field::UpstreamAddr, None),
    (
        "$upstream_addr-$host",
        "a-b, c-d",
        Field::UpstreamAddr,
        None,
    ),
    // What stands before such text without a quote is no number and no bare address.
    (
        "$upstream_addr:$host",
        "10.0.0.1:x",
        Field::UpstreamAddr,
        None,
    ),
    (
        "$upstream_status-$upstream_response_time",
        "502, 504--, 0.001",
        Field::UpstreamStatus,
        Some("502, 504"),
    ),
    (
        "$upstream_status-$status",
        "502 : -200",
        Field::UpstreamStatus,
        Some("502 : "),
    ),
    (
        "${upstream_response_length}0 $status",
        "1000 200",
        Field::Status,
        Some("200"),
    ),
];

#[test]
fn the_end_of_a_peer_is_found_where_it_is_certain() {
    for (text, line, field, expected) in ENDS {
        let format = compile(text, Escape::Default);
        assert_eq!(value(&format, line, field), expected, "{text} {line}");
    }
    let format = compile("$upstream_status-$upstream_response_time", Escape::Json);
    for (line, status) in [
        ("-", ""),
        ("502-0.001", "502"),
        ("---", "-"),
        ("--0.001", "-"),
    ] {
        assert_eq!(
            value(&format, line, Field::UpstreamStatus),
            Some(status),
            "{line}"
        );
    }
}

#[test]
fn a_format_that_leaves_some_lines_unread_says_so() {
    for (text, expected) in [
        (
            "$upstream_addr-$host",
            Some("$upstream_addr (a line is not read"),
        ),
        ("$upstream_addr-$status", None),
        ("$upstream_addr $host", None),
        ("$upstream_addr-\"$host", None),
    ] {
        let format = compile(text, Escape::Default);
        let said = format.unreadable().first().map(String::as_str);
        assert_eq!(said.is_some(), expected.is_some(), "{text}: {said:?}");
        assert!(
            said.unwrap_or_default()
                .starts_with(expected.unwrap_or_default())
        );
        assert!(format.is_unambiguous() || text.contains(" $host"), "{text}");
    }
}

#[test]
fn a_long_line_of_places_costs_little() {
    let format = compile("$upstream_addr-$upstream_status $host", Escape::Default);
    let line = ["a", &"-".repeat(100_000)].concat();
    assert_eq!(value(&format, &line, Field::Host), None);
    let line = "a-1, ".repeat(20_000);
    assert_eq!(value(&format, &line, Field::Host), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    /// Before a status every list of addresses comes back, and nothing is ever read wrong.
    #[test]
    fn what_was_written_is_read_or_nothing_is(
        elements in vec((select(vec![", ", " : "]), select(PEERS.to_vec())), 1..4),
        literal in select(LITERALS.to_vec()),
        status in 100..600_u16,
        host in proptest::option::of("[-a-z0-9.:/, ]{0,12}"),
        escape in select(vec![Escape::Default, Escape::Json, Escape::None]),
    ) {
        let peers = joined(&elements);
        let (text, line) = match &host {
            Some(host) => (
                format!("${{upstream_addr}}{literal}$host \"$status\""),
                format!("{peers}{literal}{host} \"{status}\""),
            ),
            None => (
                format!("${{upstream_addr}}{literal}$status \"$host\""),
                format!("{peers}{literal}{status} \"x\""),
            ),
        };
        let format = compile(&text, escape);
        let mut entry = Entry::default();
        let read = format.parse(line.as_bytes(), &mut entry);
        if read {
            let shown = entry.get(Field::UpstreamAddr);
            prop_assert_eq!(shown, Some(peers.as_bytes()), "{} {}", text, line);
            prop_assert_eq!(entry.status(), Some(status));
        }
        let certain = elements.iter().all(|(_, peer)| peer.ends_with(|last: char| last.is_ascii_digit()));
        let digits = literal.ends_with('0');
        prop_assert!(read || host.is_some() || !certain || digits, "{} {}", text, line);
    }
}

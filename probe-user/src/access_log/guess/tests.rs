//! What is guessed of whole lines.

use super::*;
use crate::access_log::Entry;

/// Each line's status, upstream's status and address, as the guess reads them.
fn read(guess: &Guess, line: &str) -> Option<[String; 3]> {
    let mut entry = Entry::default();
    let fits = guess.format.parse(line.as_bytes(), &mut entry)
        || guess
            .keys
            .as_ref()
            .is_some_and(|keys| keys.parse(line.as_bytes(), &mut entry));
    let text = |field| String::from_utf8_lossy(entry.get(field).unwrap_or(b"?")).into_owned();
    fits.then(|| [Field::Status, Field::UpstreamStatus, Field::UpstreamAddr].map(text))
}

fn bytes<'a>(lines: &[&'a str]) -> Vec<&'a [u8]> {
    lines.iter().map(|line| line.as_bytes()).collect()
}

#[test]
fn text_with_more_before_between_and_behind_is_read() {
    let time = "[22/Nov/2026:10:00:01 +0000]";
    let lines = [
        format!(
            r#"shop.test 10.1.1.1, 192.0.2.7 - - {time} "GET /a HTTP/1.1" 200 5 0.010 "-" "x" "10.0.0.1:80" us=200"#
        ),
        format!(
            r#"shop.test 192.0.2.7 - bob {time} "GET /a HTTP/1.1" 502 5 0.010 "-" "x" "10.0.0.1:80, 10.0.0.2:80" us=502, 502"#
        ),
        format!(r#"shop.test - - - {time} "-" 503 5 0.010 "-" "x" "-" us=-"#),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let guess = texts(bytes(&lines), 2).expect("a guess");
    assert_eq!(
        guess.shown,
        "… $remote_addr … … [$time_local] \"$request\" $status … $request_time \"…\" \"…\" \
         \"$upstream_addr\" us=$upstream_status"
    );
    let read: Vec<_> = lines
        .iter()
        .map(|line| read(&guess, line).expect("fits"))
        .collect();
    assert_eq!(read[1], ["502", "502, 502", "10.0.0.1:80, 10.0.0.2:80"]);
    assert_eq!(read[2], ["503", "-", "-"]);
}

#[test]
fn text_that_is_no_log_of_requests_is_not_guessed() {
    for lines in [
        &["W1122 10:00:00.123456       7 controller.go:1112] Service has no Endpoint."; 5],
        &["one 200 two"; 5],
        &["[22/Nov/2026:10:00:01 +0000] GET 1"; 5],
        &["", "\"", "[", "=", "x"],
    ] {
        assert!(texts(bytes(lines), 1).is_none(), "{lines:?}");
    }
}

#[test]
fn objects_may_be_nested_incomplete_and_in_any_order() {
    let lines = [
        r#"{"http":{"response":{"status_code":200}},"upstream":{"status":"200","address":"10.0.0.1:80"},"ts":1795341600}"#,
        r#"{"ts":1795341601,"http":{"response":{"status_code":502}},"upstream":{"status":"502","address":"10.0.0.1:80"}}"#,
        r#"  {"http": {"response":{"status_code":503}}, "upstream": null, "tags":["a",{"b":1}]} ,"#,
    ];
    let guess = objects(bytes(&lines)).expect("a guess");
    let read: Vec<_> = lines
        .iter()
        .map(|line| read(&guess, line).expect("fits"))
        .collect();
    assert_eq!(read[1], ["502", "502", "10.0.0.1:80"]);
    assert_eq!(read[2], ["503", "", ""]);
}

#[test]
fn what_is_no_object_is_not_read() {
    let deep = "{\"a\":".repeat(10_000);
    for line in [
        "",
        "{",
        "{}}",
        r#"{"a":1"#,
        r#"{"status":200]"#,
        "[1]",
        "{x}",
        &deep,
        r#"{"a":"\"#,
    ] {
        assert!(
            object::walk(line.as_bytes(), |_, _, _| {}).is_none(),
            "{line}"
        );
        assert!(objects([line.as_bytes()]).is_none(), "{line}");
    }
}

#[test]
fn the_escape_mode_is_that_of_what_an_upstream_lacks() {
    let line =
        |addr, agent| format!(r#"{{"status":"500","upstream_addr":"{addr}","agent":"{agent}"}}"#);
    for (addr, agent, escape) in [
        ("-", "x", Escape::Default),
        ("", "x", Escape::Json),
        ("", "-", Escape::Json),
        ("10.0.0.1:80", "-", Escape::Default),
    ] {
        let line = line(addr, agent);
        let guess = objects([line.as_bytes()]).expect("a format");
        assert_eq!(guess.format.escape(), escape, "{addr} {agent}");
    }
    assert!(objects([&br#"{"request":"x"}"#[..]]).is_none());
}

#[test]
fn a_size_or_a_port_is_no_status() {
    let line = r#"443 [22/Nov/2026:10:00:01 +0000] a.test GET /a 200 512 uri="/a""#;
    let guess = texts(bytes(&[line; 3]), 2).expect("a guess");
    assert_eq!(read(&guess, line).expect("fits")[0], "200");
    let line = r#"[22/Nov/2026:10:00:01 +0000] "GET /a HTTP/1.1" 200 500 uri="/a""#;
    let guess = texts(bytes(&[line; 3]), 2).expect("a guess");
    assert_eq!(read(&guess, line).expect("fits")[0], "200");
}

//! Lines in the envelopes of others.

use super::*;

const ACCESS: &str =
    r#"192.0.2.1 - - [22/Nov/2026:10:00:01 +0000] "GET /a HTTP/1.1" 502 5 "-" "x""#;
const ERROR: &str = "2026/11/22 10:00:01 [error] 1#1: *1 no live upstreams, client: 192.0.2.1";

fn opened(text: &str) -> (Vec<&'static str>, String) {
    let lines: Vec<_> = text.lines().map(str::as_bytes).collect();
    let layers = Layers::of(&lines, &Core::new(None));
    let (mut out, mut spare) = (Vec::new(), Vec::new());
    layers.open(text.as_bytes(), &mut out, &mut spare);
    (layers.names(), String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn what_stands_before_lines_is_taken_off() {
    for (before, name) in [
        ("web-1  | ", "docker compose"),
        ("2026-11-22T10:00:01.123456789Z stdout F ", "CRI"),
        ("2026-11-22T10:00:01.123456789Z ", "timestamps"),
        ("2026-11-22T10:00:01.000Z my-stream/1 ", "timestamps"),
        ("[pod/a-b/c] ", "kubectl --prefix"),
        (
            "[pod/a-b/c] 2026-11-22T10:00:01.123456789Z ",
            "kubectl --prefix",
        ),
        ("Nov 22 10:00:01 web nginx: ", "syslog"),
        ("Nov  2 10:00:01 web nginx[12]: ", "syslog"),
        ("<190>Nov 22 10:00:01 web nginx: ", "syslog"),
        ("<190>1 2026-11-22T10:00:01Z web nginx 12 - - ", "syslog"),
        ("2026-11-22T10:00:01.123456+00:00 web nginx: ", "syslog"),
        ("/var/log/nginx/access.log.1:", "file names"),
        ("access.log:12:", "file names"),
        ("web-1  | Nov 22 10:00:01 web nginx[12]: ", "docker compose"),
    ] {
        let text = format!("{before}{ACCESS}\n{before}{ERROR}\n{before}\tstack: 1\n");
        let (names, inner) = opened(&text);
        assert_eq!(
            inner,
            format!("{ACCESS}\n{ERROR}\n\tstack: 1\n"),
            "{before}"
        );
        assert_eq!(names.first(), Some(&name), "{before}");
    }
}

#[test]
fn lines_as_nginx_wrote_them_stay() {
    for text in [
        format!("{ACCESS}\n{ERROR}\nstray: 1\n"),
        format!("example.test {ACCESS}\nexample.test:80 {ACCESS}\n"),
        "one two\n{\"status\":200}\n\n".to_owned(),
    ] {
        assert_eq!(opened(&text), (Vec::new(), text));
    }
}

#[test]
fn objects_that_hold_lines_are_opened_and_partial_ones_joined() {
    let quoted = ACCESS.replace('"', "\\\"");
    let (one, two) = quoted.split_at(30);
    let text = format!(
        "{{\"log\":\"{quoted}\\n\",\"stream\":\"stdout\"}}\n\
         {{\"log\":\"{one}\",\"stream\":\"stdout\"}}\n{{\"log\":\"{two}\\n\"}}\nodd\n"
    );
    assert_eq!(
        opened(&text),
        (
            vec!["Docker's json-file"],
            format!("{ACCESS}\n{ACCESS}\nodd\n")
        )
    );
    let text = format!("{{\"a\":{{\"b\":\"{}\"}}}}\n", ERROR.replace('"', "\\\""));
    assert_eq!(
        opened(&text),
        (vec!["JSON around each line"], format!("{ERROR}\n"))
    );
}

#[test]
fn a_partial_line_of_cri_goes_on_in_the_next() {
    let (one, two) = ACCESS.split_at(20);
    let time = "2026-11-22T10:00:01.1Z stdout";
    let text = format!("{time} F {ACCESS}\n{time} P {one}\n{time} F {two}\n");
    assert_eq!(
        opened(&text),
        (vec!["CRI"], format!("{ACCESS}\n{ACCESS}\n"))
    );
}

#[test]
fn envelopes_may_be_nested_and_mixed() {
    let object = format!(
        "{{\"message\":\"web-1  | {}\"}}",
        ACCESS.replace('"', "\\\"")
    );
    let text = format!("{object}\nNov 22 10:00:01 web nginx: {ACCESS}\n");
    let (names, inner) = opened(&text);
    assert_eq!(inner, format!("{ACCESS}\n{ACCESS}\n"), "{names:?}");
}

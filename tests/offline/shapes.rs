//! Formats that nobody named, lines that fit none, and what the error log explains.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::reports::{logs, report};

/// Statuses of which four of ten fail.
const STATUSES: [u16; 10] = [200, 502, 500, 404, 200, 503, 200, 504, 200, 302];
const LINES: usize = 400;

/// A log of lines that are made of a second, an upstream's status and address, and a status.
fn log(line: impl Fn(usize, &str, &str, u16) -> String) -> String {
    let line = |n: usize| {
        let status = STATUSES[n % STATUSES.len()];
        let (upstream, addr) = if status == 503 {
            ("-", "-")
        } else {
            ("", "10.0.0.1:80")
        };
        let own = status.to_string();
        let upstream = if upstream.is_empty() { &own } else { upstream };
        line(n % 60, upstream, addr, status) + "\n"
    };
    (0..LINES).map(line).collect()
}

fn counts(found: &Value) -> Value {
    let access = &found["access"];
    let how = |name: &str| {
        let kinds = access["failures"].as_array().into_iter().flatten();
        let of = kinds.filter(|kind| kind["how"] == name);
        of.filter_map(|kind| kind["count"].as_u64()).sum::<u64>()
    };
    json!([
        access["failed"],
        access["unparsed"],
        how("upstream"),
        how("nginx")
    ])
}

#[test]
fn formats_are_found_in_the_lines_themselves() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("access.log");
    for (name, text) in [
        (
            "more before and between",
            log(|n, us, ua, s| {
                format!(
                    r#"shop.test 192.0.2.1, 10.1.1.1 - - [22/Nov/2026:10:00:{n:02} +0000] "GET /a HTTP/1.1" {s} 512 0.010 "-" "x y" {ua} {us}"#
                )
            }),
        ),
        (
            "labelled",
            log(|n, us, ua, s| {
                format!(
                    r#"t=2026-11-22T10:00:{n:02}+00:00 src=192.0.2.1 req="GET /a HTTP/1.1" st={s} us="{us}" upstream="{ua}""#
                )
            }),
        ),
        (
            "LTSV",
            log(|n, us, ua, s| {
                format!(
                    "time:22/Nov/2026:10:00:{n:02} +0000\thost:192.0.2.1\treq:GET /a HTTP/1.1\tstatus:{s}\tbackend_status:{us}\tbackend:{ua}"
                )
            }),
        ),
        (
            "nested JSON with nulls",
            log(|n, us, ua, s| {
                let upstream = if us == "-" {
                    Value::Null
                } else {
                    json!({"statusCode": us, "address": ua})
                };
                json!({"request": {"method": "GET", "path": "/a"}, "at": 1_795_341_600 + n, "origin": upstream, "reply": {"status": s}}).to_string()
            }),
        ),
    ] {
        fs::write(&path, &text)?;
        let found = report(&[&path])?;
        assert_eq!(counts(&found), json!([160, 0, 40, 40]), "{name}: {found}");
        let known_by = &found["access"]["formats"][0][1];
        assert!(
            ["guessed", "detected"].contains(&known_by.as_str().unwrap_or_default()),
            "{name}"
        );
        assert_eq!(
            found["access"]["first"], "2026-11-22T10:00:00.000000Z",
            "{name}"
        );
        // The same with the line ends of Windows, a mark of the encoding, and a blank line.
        fs::write(&path, format!("\u{feff}{}\r\n", text.replace('\n', "\r\n")))?;
        let windows = report(&[&path])?;
        assert_eq!(
            windows["access"]["failures"], found["access"]["failures"],
            "{name}"
        );
        assert_eq!(windows["access"]["unparsed"], 0, "{name}");
    }
    Ok(())
}

#[test]
fn the_format_that_a_report_advises_is_known() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("access.log");
    fs::write(
        &path,
        log(|n, us, ua, s| {
            let connected = if s == 502 || ua == "-" { "-" } else { "0.000" };
            format!(
                r#"192.0.2.1 - - [22/Nov/2026:10:00:{n:02} +0000] "GET /a HTTP/1.1" {s} 5 "-" "x" rt="0.010" ua="{ua}" us="{us}" urt="{connected}" uct="{connected}" uht="{connected}""#
            )
        }),
    )?;
    let found = report(&[&path])?;
    assert_eq!(counts(&found), json!([160, 0, 80, 40]), "{found}");
    assert_eq!(found["access"]["format_lacks"], json!([]), "{found}");
    Ok(())
}

#[test]
fn another_format_after_a_reload_is_learned() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("access.log");
    let old = log(|n, _, _, s| {
        format!(r#"192.0.2.1 - - [22/Nov/2026:10:00:{n:02} +0000] "GET /a HTTP/1.1" {s} 5 "-" "x""#)
    });
    let new = log(|n, _, _, s| {
        json!({"time": format!("2026-11-22T10:00:{n:02}+00:00"), "code": s}).to_string()
    });
    fs::write(&path, old.repeat(20) + &new)?;
    let found = report(&[&path])?;
    assert_eq!(counts(&found), json!([160 * 21, 0, 0, 0]), "{found}");
    assert_eq!(
        found["access"]["formats"].as_array().map(Vec::len),
        Some(2),
        "{found}"
    );
    Ok(())
}

#[test]
fn nothing_is_concluded_where_most_lines_fit_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("access.log");
    let good = log(|n, _, _, _| {
        format!(r#"192.0.2.1 - - [22/Nov/2026:10:00:{n:02} +0000] "GET /a HTTP/1.1" 200 5 "-" "x""#)
    });
    fs::write(
        &path,
        good.clone() + &"what is this cookie=secret\n".repeat(3 * LINES),
    )?;
    let finished = logs(&[&path])?;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished
            .stdout
            .contains("whether responses failed is not known"),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("1200 of 1600 lines"),
        "{finished:?}"
    );
    assert!(!finished.stdout.contains("secret"), "{finished:?}");
    fs::write(&path, good + "what is this\n")?;
    let finished = logs(&[&path])?;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stdout.contains("1 line (0.2 %) is in no format"),
        "{finished:?}"
    );
    assert!(
        finished
            .stdout
            .contains("no response failed, of those that were understood"),
        "{finished:?}"
    );
    Ok(())
}

#[test]
fn the_error_log_explains_failures_of_the_same_request_only() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let access = |n: usize, status: u16, path: &str| {
        format!(
            "192.0.2.{n} - - [22/Nov/2026:12:00:{n:02} +0200] \"GET {path} HTTP/1.1\" {status} 5 \"-\" \"x\"\n"
        )
    };
    let message = |n: usize, text: &str| {
        format!(
            "2026/11/22 12:00:{n:02} [error] 31#31: *{n} {text}, client: 192.0.2.{n}, server: x, \
             request: \"GET /a HTTP/1.1\", host: \"x\"\n"
        )
    };
    let cycle =
        "rewrite or internal redirection cycle while internally redirecting to \"/index.html\"";
    let lines = [
        access(1, 500, "/a"),
        access(2, 500, "/b"),
        access(3, 502, "/a"),
        access(4, 500, "/a"),
        access(4, 500, "/a"),
    ];
    fs::write(at("access.log"), lines.concat())?;
    let messages = (1..5).map(|n| message(n, cycle)).collect::<String>();
    // A message of several lines is one, and none of the lines behind it is a part of another.
    let traceback = message(
        9,
        "lua entry thread aborted: runtime error: a.lua:1: x\nstack traceback:\n\ta.lua:1: in main",
    );
    fs::write(
        at("error.log"),
        messages + &traceback.repeat(40) + "a line of php-fpm\n",
    )?;
    for order in [["access.log", "error.log"], ["error.log", "access.log"]] {
        let found = report(&order.map(at))?;
        let kinds = found["access"]["failures"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let explained = kinds
            .iter()
            .filter(|kind| kind["cause"] == "redirect_cycle");
        let counts: Vec<_> = explained
            .map(|kind| (kind["count"].as_u64(), kind["class"].as_str()))
            .collect();
        // One of the two at the same second: there is one message.
        assert_eq!(counts, [(Some(2), Some("redirect_cycle"))], "{found}");
        assert_eq!(found["access"]["failed"], 5, "{found}");
        let errors = &found["errors"];
        let lua = errors["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|m| m["class"] == "lua_aborted");
        assert_eq!(lua.map(|lua| &lua["count"]), Some(&json!(40)), "{found}");
        assert_eq!(
            (&errors["strays"], &errors["lines"]),
            (&json!(1), &json!(125)),
            "{found}"
        );
    }
    Ok(())
}

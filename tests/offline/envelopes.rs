//! Lines as others pass them on: with text before them, in JSON, compressed, and in archives.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::reports::{logs, report};

const LINES: u32 = 10;

fn access(n: u32) -> String {
    format!(
        r#"192.0.2.{n} - - [22/Nov/2026:10:00:{n:02} +0000] "GET /a?token=secret HTTP/1.1" 502 5 "-" "curl/8""#
    )
}

fn error(n: u32) -> String {
    format!(
        "2026/11/22 10:00:{n:02} [error] 31#31: *{n} connect() failed (111: Connection refused) while \
         connecting to upstream, client: 192.0.2.{n}, server: x, request: \"GET /a?token=secret \
         HTTP/1.1\", upstream: \"http://127.0.0.1:9000/a\", host: \"x\""
    )
}

fn object(n: u32) -> String {
    json!({"at": format!("2026-11-22T10:00:{n:02}Z"), "response": {"code": 503}, "path": "/a"})
        .to_string()
}

/// Failures, lines of no kind, messages, failures that they explain, and what stood around the lines.
fn counts(report: &Value) -> Value {
    let kinds = report["access"]["failures"].as_array();
    let refused = |kind: &&Value| kind["cause"] == "upstream_refused";
    let explained = kinds.into_iter().flatten().filter(refused);
    let explained: u64 = explained.filter_map(|kind| kind["count"].as_u64()).sum();
    let messages = report["errors"]["messages"].as_array();
    let messages = messages
        .into_iter()
        .flatten()
        .filter_map(|message| message["count"].as_u64());
    json!([
        report["access"]["failed"],
        report["access"]["unparsed"],
        messages.sum::<u64>(),
        explained,
        report["inputs"][0]["wrappers"]
    ])
}

#[test]
fn lines_of_both_kinds_are_read_whatever_stands_before_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("passed-on.log");
    for (before, wrappers) in [
        ("", json!([])),
        ("app_web_1  | ", json!(["docker compose"])),
        ("2026-11-22T10:00:01.5Z stderr F ", json!(["CRI"])),
        ("[pod/web-5f/web] ", json!(["kubectl --prefix"])),
        ("Nov 22 10:00:01 host nginx[7]: ", json!(["syslog"])),
        ("logs/all.log:", json!(["file names"])),
        ("2026-11-22T10:00:01.5Z ", json!(["timestamps"])),
    ] {
        let lines = |n| {
            format!(
                "{before}{}\n{before}{}\n{before}{}\n",
                access(n),
                error(n),
                object(n)
            )
        };
        fs::write(&log, (1..=LINES).map(lines).collect::<String>())?;
        let found = report(&[&log])?;
        assert_eq!(
            counts(&found),
            json!([20, 0, 10, 10, wrappers]),
            "{before}: {found}"
        );
        assert!(!found.to_string().contains("secret"), "{found}");
    }
    Ok(())
}

#[test]
fn lines_in_objects_are_taken_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("objects.log");
    for (key, feed, name) in [
        ("log", "\n", "Docker's json-file"),
        ("MESSAGE", "", "journald"),
        ("textPayload", "", "JSON around each line"),
    ] {
        let one = |line: String| json!({key: line + feed, "stream": "stdout"}).to_string() + "\n";
        let lines = |n| one(access(n)) + &one(error(n)) + &one(object(n));
        fs::write(&log, (1..=LINES).map(lines).collect::<String>())?;
        let found = report(&[&log])?;
        assert_eq!(
            counts(&found),
            json!([20, 0, 10, 10, [name]]),
            "{key}: {found}"
        );
    }
    Ok(())
}

#[test]
fn archives_and_what_compressors_made_are_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let lines = |line: fn(u32) -> String| (1..=LINES).map(|n| line(n) + "\n").collect::<String>();
    fs::write(at("access.log"), lines(access))?;
    fs::write(at("error.log"), lines(error))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(lines(object).as_bytes())?;
    fs::write(at("more.gz"), gzip.finish()?)?;
    let tar = |options: &str, name: &str| -> Result<()> {
        let mut tar = Command::new("tar");
        tar.current_dir(folder.path()).args([options, name]);
        let status = tar.args(["access.log", "error.log", "more.gz"]).status();
        ensure!(status.context("tar")?.success(), "tar {options}");
        Ok(())
    };
    tar("-cf", "logs.tar")?;
    tar("-czf", "logs.tgz")?;
    for name in ["logs.tar", "logs.tgz"] {
        let found = report(&[at(name)])?;
        assert_eq!(
            counts(&found),
            json!([20, 0, 10, 10, []]),
            "{name}: {found}"
        );
        let names: Vec<_> = (0..3)
            .filter_map(|n| found["inputs"][n]["name"].as_str())
            .collect();
        assert!(
            names.len() == 3 && names[2].ends_with("more.gz"),
            "{names:?}"
        );
    }
    // What is in UTF-16 is named, with the way out.
    let wide: Vec<u8> = lines(access)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(at("wide.log"), wide)?;
    let finished = logs(&[at("wide.log")])?;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("iconv -f UTF-16"), "{finished:?}");
    Ok(())
}

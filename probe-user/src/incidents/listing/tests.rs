//! Which incidents are listed, in which state, and how.

use std::{collections::HashSet, fs};

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::{super::line::tests::incident, *};

fn files(lines: &[String]) -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("j");
    fs::write(&journal, lines.concat()).expect("written");
    let files = Files::open(&journal).expect("open");
    (folder, files)
}

fn lines(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

fn read(lines: &[String], wanted: &Wanted, writer: Writer) -> Listing {
    let (_folder, files) = files(lines);
    Listing::read(&files, wanted, writer).expect("read")
}

fn ids(listing: &Listing) -> Vec<&str> {
    listing
        .incidents
        .iter()
        .map(|one| one.id.as_str())
        .collect()
}

fn shown(listing: &Listing, writer: Writer) -> String {
    let mut out = Vec::new();
    table(&mut out, listing, writer).expect("written");
    String::from_utf8(out).expect("text")
}

#[test]
fn the_latest_state_of_each_counts_and_the_newest_comes_first() {
    let later = json!({"opened_at": "2026-01-02T04:00:00Z", "time": "2026-01-02T04:00:00Z"});
    let closed = json!({"summary": "over", "closed_at": "2026-01-02T03:05:08Z"});
    let mut lines = lines(&[
        incident("a-1", "opened", &json!({"summary": "first"})),
        json!({"time": "2026-01-02T03:04:05Z", "type": "reload", "instance": "a"}),
        incident("b-2", "opened", &later),
        incident("a-1", "updated", &json!({"summary": "second"})),
        incident("a-1", "closed", &closed),
    ]);
    lines.insert(3, "{\"torn\n\n\0\0\0\n".to_owned());
    lines.push("{\"time\":\"2026-".to_owned());
    let listing = read(&lines, &Wanted::default(), Writer::Gone);
    assert_eq!(ids(&listing), ["b-2", "a-1"]);
    assert_eq!(listing.incidents[1].summary, "over");
    assert_eq!(
        (listing.malformed, listing.cut, listing.any),
        (3, false, true)
    );
}

#[test]
fn filters_go_by_the_latest_state() {
    let at = |opened: &str, closed: Option<&str>| {
        let time = closed.unwrap_or(opened);
        json!({"opened_at": opened, "closed_at": closed, "time": time, "evidence": []})
    };
    let (one, two) = ("2026-01-02T01:00:00Z", "2026-01-02T02:00:00Z");
    let mut other = at("2026-01-02T03:00:00Z", None);
    other["cause"] = json!("fd_exhaustion");
    other["instance"] = json!("pid:7");
    let lines = lines(&[
        incident("over", "opened", &at(one, None)),
        incident("open", "opened", &at(one, None)),
        incident("over", "closed", &at(one, Some(two))),
        incident("other", "opened", &other),
    ]);
    let since = |text: &str| Wanted {
        since: Some(time(text)),
        ..Wanted::default()
    };
    let late = since("2026-01-02T01:30:00Z");
    let running = Writer::Since(time("2026-01-02T00:00:00Z"));
    let found = |wanted: &Wanted, writer| {
        let listing = read(&lines, wanted, writer);
        ids(&listing)
            .iter()
            .map(|id| (*id).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&late, running), ["other", "over", "open"]);
    assert_eq!(
        found(&late, Writer::Gone),
        ["other", "over"],
        "its agent ended before that"
    );
    assert_eq!(
        found(&since(two), Writer::Gone),
        ["other", "over"],
        "to the very moment"
    );
    let until = Wanted {
        until: Some(time(one)),
        ..Wanted::default()
    };
    assert_eq!(found(&until, running), ["over", "open"]);
    let causes = Wanted {
        causes: vec!["x".into(), "fd_exhaustion".into()],
        ..Wanted::default()
    };
    assert_eq!(found(&causes, running), ["other"]);
    let instances = Wanted {
        instances: vec!["/run/nginx.pid".into()],
        ..Wanted::default()
    };
    assert_eq!(found(&instances, running), ["over", "open"]);

    let none = read(&lines, &since("2027-01-01T00:00:00Z"), Writer::Gone);
    assert!(none.incidents.is_empty() && none.any);
}

#[test]
fn an_incident_whose_agent_ended_is_left_open() {
    let lines = lines(&[
        incident("a-1", "updated", &json!({"time": "2026-01-02T03:04:09Z"})),
        incident(
            "b-1",
            "closed",
            &json!({"closed_at": "2026-01-02T03:04:09Z"}),
        ),
    ]);
    let earlier = Writer::Since(time("2026-01-02T03:04:08Z"));
    let later = Writer::Since(time("2026-01-02T03:04:10Z"));
    for (writer, word) in [
        (Writer::Gone, "left open"),
        (later, "left open"),
        (earlier, "open     "),
        (Writer::Unknown, "open     "),
    ] {
        let listing = read(&lines, &Wanted::default(), writer);
        let table = shown(&listing, writer);
        let of = |id: &str| {
            table
                .lines()
                .find(|line| line.starts_with(id))
                .map(str::to_owned)
        };
        let line = of("a-1").unwrap_or_default();
        assert_eq!(line.get(37..46), Some(word), "{writer:?}: {table}");
        assert!(
            of("b-1").is_some_and(|line| line.contains(" 3s ")),
            "{table}"
        );
        assert_eq!(table.contains("nobody saw the end"), word == "left open");
    }
}

#[test]
fn the_table_fits_80_columns_whatever_is_in_it() {
    let hostile = json!({
        "cause": "upstream_intercepted", "instance": "/very/long/".repeat(9) + "\u{1b}[2J",
        "summary": "\u{202e}日本".repeat(90), "responses": {"500": u64::MAX, "502": 9},
        "lost_requests": u64::MAX, "opened_at": "9999-12-30T22:00:00Z",
        "closed_at": "9999-12-30T22:00:00Z",
    });
    let lines = lines(&[
        incident("19ab3c5d2e1-1", "closed", &json!({"lost_requests": null})),
        incident(&"x".repeat(200), "closed", &hostile),
        incident("\u{1b}]0;x\u{7}\n\n\n\n", "opened", &hostile),
    ]);
    let listing = read(&lines, &Wanted::default(), Writer::Gone);
    let table = shown(&listing, Writer::Gone);
    for line in table.lines() {
        assert!(line.width() <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let expected = "\
19ab3c5d2e1-1   2026-01-02 03:04:05  3s         worker_crash              7    -
    /run/nginx.pid: 1 worker crashed

3 incidents
left open: the agent ended first, so nobody saw the end
`nginx-probe incidents ID` shows one with its evidence
";
    assert!(table.ends_with(expected), "{table}");
    let first = table.lines().next().unwrap_or_default();
    let head = "ID              OPENED (UTC)         LASTED     CAUSE                FAILED LOST";
    assert_eq!(first, head);
}

#[test]
fn more_incidents_than_are_kept_leave_out_the_oldest() {
    let record = |n: u32| {
        let opened = Time(u64::from(n) * 1_000_000).to_string();
        incident(&format!("i{n}"), "opened", &json!({"opened_at": opened}))
    };
    // In no order, and each twice.
    let records: Vec<_> = (0..200).map(|n| record(n * 37 % 100)).collect();
    let (_folder, files) = files(&lines(&records));
    let listing = Listing::at_most(10, &files, &Wanted::default(), Writer::Gone).expect("read");
    let newest: Vec<_> = (90..100).rev().map(|n| format!("i{n}")).collect();
    assert_eq!(ids(&listing), newest);
    assert!(listing.cut && shown(&listing, Writer::Gone).contains("older ones are left out"));
}

#[test]
fn a_journal_cut_at_any_byte_of_its_last_lines_is_read() {
    let records = ["a-1", "b-1", "c-1"].map(|id| incident(id, "opened", &json!({})));
    let lines = lines(&records);
    let (whole, first) = (lines.concat(), lines[0].len());
    let mut seen = HashSet::new();
    for length in first..=whole.len() {
        let cut = whole.get(..length).unwrap_or_default().to_owned();
        let listing = read(&[cut], &Wanted::default(), Writer::Gone);
        let whole_lines = [first, first + lines[1].len(), whole.len()];
        let complete = whole_lines.iter().filter(|end| length + 1 >= **end).count();
        assert_eq!(listing.incidents.len(), complete, "cut at {length}");
        let torn = !whole_lines
            .iter()
            .any(|end| length == *end || length + 1 == *end);
        assert_eq!(listing.malformed, u64::from(torn), "cut at {length}");
        seen.insert(complete);
    }
    assert_eq!(seen.len(), 3);
}

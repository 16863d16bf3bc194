//! The command, from its options to what it writes.

use std::{fs, path::Path};

use clap::Parser as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{line::tests::incident, *};
use crate::options::{Cli, Command};

/// What `nginx-probe incidents` with these arguments writes, or why it could not.
fn said(journal: &Path, arguments: &[&str]) -> Result<String, String> {
    let journal = journal.display().to_string();
    let all = ["nginx-probe", "incidents", "--journal", &journal];
    let cli =
        Cli::try_parse_from(all.iter().chain(arguments)).map_err(|error| error.to_string())?;
    let Command::Incidents(options) = cli.command else {
        return Err("another command".to_owned());
    };
    let mut out = Vec::new();
    let now = "2026-01-03T03:00:00Z".parse()?;
    to(&mut out, &options, now).map_err(|error| format!("{error:#}"))?;
    String::from_utf8(out).map_err(|error| error.to_string())
}

fn journal(records: &[Value]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("j");
    let lines = records.iter().map(|record| format!("{record}\n"));
    fs::write(&journal, lines.collect::<String>()).expect("written");
    (folder, journal)
}

#[test]
fn json_is_a_record_a_line_as_in_the_journal() {
    let closed = json!({"closed_at": "2026-01-02T03:05:08Z"});
    let later = json!({"opened_at": "2026-01-02T04:00:00Z", "time": "2026-01-02T04:00:00Z"});
    let records = [
        incident("a-1", "opened", &json!({})),
        incident("b-1", "opened", &later),
        incident("a-1", "closed", &closed),
    ];
    let (_folder, path) = journal(&records);
    let all = said(&path, &["--output", "json"]).expect("read");
    assert_eq!(all, format!("{}\n{}\n", records[1], records[2]));
    let late = said(&path, &["--output", "json", "--since", "23h"]).expect("read");
    assert_eq!(late, format!("{}\n", records[1]));
    let early = said(
        &path,
        &["--output", "json", "--until", "2026-01-02T03:30:00Z"],
    );
    assert_eq!(early.expect("read"), format!("{}\n", records[2]));
}

#[test]
fn nothing_to_list_is_said_in_one_sentence() {
    let (_folder, path) = journal(&[]);
    let name = path.display();
    let said_of = |arguments: &[&str]| said(&path, arguments).expect("read");
    assert_eq!(
        said_of(&[]),
        format!("no incident is in the journal {name}\n")
    );
    assert_eq!(
        said_of(&["--since", "1h"]),
        format!("no incident is in the journal {name}\n")
    );
    assert_eq!(said_of(&["--output", "json"]), "");
    fs::write(
        &path,
        format!("{}\n", incident("a-1", "opened", &json!({}))),
    )
    .expect("written");
    let text = said(&path, &["--cause", "fd_exhaustion"]).expect("read");
    let expected = format!("no incident in the journal {name} is of that time, cause and nginx\n");
    assert_eq!(text, expected);
}

#[test]
fn what_cannot_be_done_is_said_with_the_way_out() {
    let records = ["a-1", "a-2"].map(|id| incident(id, "opened", &json!({})));
    let (_folder, path) = journal(&records);
    for (arguments, words) in [
        (
            &["x\u{1b}"][..],
            &["begins with x\\u{1b}", "nginx-probe incidents"][..],
        ),
        (&["a"], &["a-1, a-2"]),
        (&["--since", "1h", "--until", "2h"], &["is after --until"]),
        (&["--since", "soon"], &["24h, 90m or 7d"]),
        (&["--cause", "bad_luck"], &["bad_luck", "worker_crash"]),
    ] {
        let error = said(&path, arguments).expect_err("refused");
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let error = said(Path::new("none"), &[]).expect_err("refused");
    assert!(error.contains("NGINX_PROBE_JOURNAL"), "{error}");
    let error = said(&path.with_file_name("missing"), &["a"]).expect_err("refused");
    assert!(error.contains("missing: No such file"), "{error}");
}

proptest! {
    #[test]
    fn no_journal_is_too_much(lines in prop::collection::vec(any_line(), 0..20)) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("j");
        fs::write(&path, lines.concat()).expect("written");
        for arguments in [&[][..], &["a"], &["--since", "24h"]] {
            for output in ["text", "json"] {
                let arguments = [arguments, &["--output", output]].concat();
                let text = match said(&path, &arguments) {
                    Ok(text) | Err(text) => text,
                };
                let steers = |c: char| c.is_control() && c != '\n';
                prop_assert!(!text.chars().any(steers), "{text:?}");
            }
        }
    }
}

/// A record with something odd in it, cut anywhere, or any bytes.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![
        Just(json!(null)),
        any::<u64>().prop_map(|n| json!(n)),
        any::<String>().prop_map(|text| json!(text)),
        Just(json!("a-1")),
        Just(json!("closed")),
        Just(json!("9999-12-30T22:00:00Z")),
        Just(json!([{"time": "1970-01-01T00:00:00Z"}, 1])),
        Just(json!({"500": 18_446_744_073_709_551_615_u64})),
    ];
    let keys = [
        "id",
        "state",
        "time",
        "type",
        "opened_at",
        "closed_at",
        "summary",
        "evidence",
        "responses",
        "advice",
        "cause",
        "lost_requests",
        "instance",
        "crash",
        "sender",
        "role",
    ];
    let kinds = prop::sample::select(vec!["incident", "incident", "worker_exit", "response", "x"]);
    let record = (kinds, prop::sample::select(keys.to_vec()), odd);
    let record = (record, any::<prop::sample::Index>()).prop_map(|((kind, key, odd), at)| {
        let mut record = incident("a-1", "updated", &json!({"type": kind}));
        record[key] = odd;
        let mut line = format!("{record}\n").into_bytes();
        // Half of them are whole.
        let cut = at.index(line.len() * 2);
        line.truncate(cut.max(1));
        line
    });
    prop_oneof![4 => record, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

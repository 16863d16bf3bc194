mod forged;
mod kinds;
mod modules;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::correlator::Cause;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden/error_log")
        .join(name)
}

/// Class and record of every line in the golden files.
fn examples() -> Vec<(String, Vec<u8>)> {
    ["real.txt", "modules.txt", "strings.txt"]
        .iter()
        .flat_map(|name| {
            let text = fs::read_to_string(golden(name)).unwrap();
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .map(|line| {
                    let (class, record) = line.split_once('\t').unwrap();
                    (class.to_owned(), unescaped(record))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).unwrap());
        out.extend(&part.as_bytes()[2..]);
    }
    out
}

fn line(record: &[u8]) -> Line<'_> {
    Parsed::of(record).line().unwrap()
}

fn class_of(record: &[u8]) -> &'static str {
    match Parsed::of(record) {
        Parsed::Line(line) => line.class.name,
        Parsed::Console(console) => console.class.name,
        Parsed::Continuation(_) => "continuation",
    }
}

#[test]
fn golden_lines_are_read_as_the_golden_file_says() {
    let mut all = String::new();
    for (class, record) in examples() {
        assert_eq!(class_of(&record), class, "{}", record.escape_ascii());
        let whole = [&record[..], b"\n"].concat();
        let cut: Vec<&[u8]> = records(&whole).map(|record| record.bytes).collect();
        assert_eq!(cut, [&record[..]], "{}", record.escape_ascii());
        let _ = writeln!(all, "{class}: {}", described(&record));
    }
    if std::env::var_os("NGINX_PROBE_REGENERATE").is_some() {
        fs::write(golden("parsed.txt"), &all).unwrap();
    }
    let kept = fs::read_to_string(golden("parsed.txt")).unwrap();
    for (now, then) in all.lines().zip(kept.lines()) {
        assert_eq!(now, then);
    }
    assert_eq!(all.lines().count(), kept.lines().count());
}

fn described(record: &[u8]) -> String {
    let Parsed::Line(line) = Parsed::of(record) else {
        return format!("{:?}", Parsed::of(record).line());
    };
    let mut text = format!("{} ", line.level.name());
    let fields = [
        ("message", Some(line.message)),
        ("errno_text", line.errno.map(|(_, text)| text)),
        ("action", line.action),
        ("client", line.client),
        ("server", line.server),
        ("request", line.request),
        ("subrequest", line.subrequest),
        ("upstream", line.upstream),
        ("host", line.host),
        ("referrer", line.referrer),
        ("path", line.path()),
        ("zone", line.zone()),
        ("unresolved", line.unresolved()),
        ("address", line.upstream_address()),
        ("file", line.config_place().map(|(file, _)| file)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = write!(text, "{name}=<{}> ", value.escape_ascii());
        }
    }
    let _ = write!(
        text,
        "errno={:?} exit={:?} connection={:?} cut={} contested={}",
        line.errno.map(|(number, _)| number),
        line.exit().map(|exit| exit.ended),
        line.connection,
        line.cut,
        line.contested
    );
    text
}

#[test]
fn class_names_are_unique_fit_for_a_label_and_most_have_an_example() {
    let names: Vec<_> = classes().map(|class| class.name).collect();
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    for name in &names {
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        );
    }
    let shown: BTreeSet<String> = examples().into_iter().map(|(class, _)| class).collect();
    let bare: Vec<_> = names
        .iter()
        .filter(|name| !shown.contains(**name))
        .collect();
    assert!(
        bare.len() <= names.len() / 4,
        "without an example: {bare:?}"
    );
    for name in &shown {
        assert!(names.contains(&name.as_str()), "{name} is no class");
    }
}

/// Whose text a message holds is asked before its end is known, so messages that begin alike must
/// agree on it.
#[test]
fn rules_that_begin_alike_agree_whose_text_it_is() {
    for class in classes() {
        for rule in class.rules.iter().filter(|rule| !rule.start.is_empty()) {
            let mut message = rule.start.replace('%', "1").replace('@', "x");
            rule.has.iter().for_each(|part| message.push_str(part));
            let level = rule.level.unwrap_or(class.levels[0]);
            let text = super::classes::text_of(level, !rule.alone, message.as_bytes());
            assert_eq!(text, class.text, "{}: {}", class.name, rule.start);
        }
    }
}

/// A line that is cut anywhere is of its class, of one that says less, or of none.
#[test]
fn a_cut_line_is_never_of_a_wrong_class() {
    let vague: BTreeSet<&str> = [
        "other",
        "continuation",
        "open_failed",
        "connect_failed",
        "upstream_timed_out",
        "upstream_closed",
        "worker_connections",
        "tls_failed",
        "client_reset",
        "write_failed",
        "copy_failed",
        "mkdir_failed",
        "socket_failed",
        "accept_failed",
        "upstream_invalid_response",
        "client_invalid_request",
        "config_refused",
        "config_warning",
        "system_call",
        "stream_session",
        "certificate_not_loaded",
        "xslt_failed",
        "worker_signal",
        "worker_exit",
        "rename_failed",
        "unlink_failed",
        "upgrade_failed",
        "cache_process_ended",
        "log_write_failed",
        "log_unopened",
        "dav_failed",
        "rule_forbidden",
        "rule_noted",
    ]
    .into();
    // The difference is what follows: the place, the request, or what nginx was doing.
    let kin = [
        ("config_refused", "log_open_failed"),
        ("dav_", "mkdir_disk_full"),
        ("log_", "open_"),
        ("ocsp_failed", "upstream_name_unresolved"),
        ("lua_", "lua_aborted"),
    ];
    let mut wrong = BTreeSet::new();
    for (class, record) in examples() {
        for end in 0..record.len() {
            let cut = class_of(&record[..end]);
            let close = |(from, to): &(&str, &str)| class.starts_with(from) && cut.starts_with(to);
            if cut != class && !vague.contains(cut) && !kin.iter().any(close) {
                wrong.insert((class.clone(), cut));
            }
            if class == "connect_refused"
                && let Parsed::Line(line) = Parsed::of(&record[..end])
            {
                assert!(line.client.is_none_or(|client| client == b"127.0.0.1"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn causes_are_those_that_operators_expect() {
    let cause = |name| classes().find(|class| class.name == name).unwrap().cause;
    assert_eq!(cause("socket_no_fds"), Some(Cause::FdExhaustion));
    assert_eq!(
        cause("open_denied"),
        None,
        "a 403 is no failure of the server"
    );
    assert_eq!(
        cause("worker_signal"),
        None,
        "the text is the same for crash, OOM kill and kill"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_without_panic_and_given_once(block in prop::collection::vec(any::<u8>(), 0..6000)) {
        let total: usize = records(&block).map(|record| { let _ = Parsed::of(record.bytes); record.bytes.len() + 1 }).sum();
        prop_assert!(total == block.len() || total == block.len() + 1);
    }

    #[test]
    fn pieces_of_lines_in_any_order_are_read_without_panic(order in prop::collection::vec(0..20usize, 0..40)) {
        let pieces = [
            "2026/01/02 03:04:05 [error] 10#10: *1 ", "open() \"", "FastCGI sent in stderr: \"", "[lua] ", "\n", "\"",
            ", client: 1.2.3.4", ", client: ", ", server: ", ", server: s", ", request: \"", "GET /%0A HTTP/1.1\"",
            ", upstream: \"", ", host: \"h\"", ", referrer: \"", " failed (2: No)", " while ", "connecting to upstream",
            "% ", "[client 1] ModSecurity: ",
        ];
        let text: String = order.iter().map(|at| pieces[*at]).collect();
        let mut total = 0;
        for record in records(text.as_bytes()) {
            total += record.bytes.len() + 1;
            if let Parsed::Line(line) = Parsed::of(record.bytes) {
                let _ = (line.path(), line.exit(), line.zone(), line.unresolved(), line.upstream_address(), line.config_place(), line.module());
                prop_assert!(line.rule().is_none_or(|rule| rule.len() <= 48));
                prop_assert!(line.message.len() <= record.bytes.len());
            }
        }
        prop_assert!(total == text.len() || total == text.len() + 1);
    }
}

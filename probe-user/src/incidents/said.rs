//! A record of any kind in lines for a person: of this release, an earlier or a later one.

use std::fmt::Write as _;

use serde_json::Value;

use crate::sinks::printable::printable;

/// Calls of a crash that are shown.
const FRAMES: usize = 8;
/// Lost requests that are shown of a death.
const REQUESTS: usize = 5;
/// What others chose is cut after so many characters.
const LONGEST: usize = 300;

/// The first line says what happened, the others say more of it. All are escaped.
pub(super) fn lines(record: &Value) -> Vec<String> {
    let mut lines = match text(record, "type").as_str() {
        "worker_start" => vec![format!(
            "{} {} started (generation {})",
            role(record),
            number(record, "pid"),
            number(record, "generation")
        )],
        "worker_exit" => worker_exit(record),
        "backend_exit" => backend_exit(record),
        "master_exit" => master_exit(record),
        "reload" if record["result"] == "ok" => vec![format!(
            "reloaded: a new configuration serves (generation {})",
            number(record, "generation")
        )],
        "reload" => vec![format!(
            "reload refused: the old configuration serves on (generation {})",
            number(record, "generation")
        )],
        "upgrade" => vec![format!(
            "binary upgrade: master {} has started master {}",
            number(record, "old_master"),
            number(record, "new_master")
        )],
        "response" => vec![response(record)],
        _ => vec![other(record)],
    };
    for line in &mut lines {
        *line = printable(line.chars().take(LONGEST).collect::<String>());
    }
    lines
}

fn worker_exit(record: &Value) -> Vec<String> {
    let (role, pid, how) = (role(record), number(record, "pid"), ended(record));
    let mut first = format!("{role} {pid} {how}");
    if let Some(uptime) = record["uptime_s"].as_f64() {
        let _ = write!(first, ", {uptime:.1} s old");
    }
    let mut lines = death(record, first);
    let lost = record["lost_requests"].as_array();
    let lost = lost.map(Vec::as_slice).unwrap_or_default();
    for request in lost.iter().take(REQUESTS) {
        lines.push(format!(
            "lost {}, {} ms old",
            asked(request),
            number(request, "age_ms")
        ));
    }
    let total = record["lost_requests_total"].as_u64();
    let total = total.unwrap_or(lost.len().try_into().unwrap_or(u64::MAX));
    let shown = lost.len().min(REQUESTS).try_into().unwrap_or(u64::MAX);
    if total > shown {
        lines.push(format!("… {} more lost requests", total - shown));
    }
    lines
}

fn backend_exit(record: &Value) -> Vec<String> {
    let (name, pid) = (text(record, "backend"), number(record, "pid"));
    let (address, how) = (text(record, "address"), ended(record));
    let mut first = format!("backend {name} (pid {pid}, {address}) {how}");
    if let Some(omitted) = record["omitted"].as_u64().filter(|omitted| *omitted > 0) {
        let _ = write!(first, "; {omitted} more before it");
    }
    death(record, first)
}

fn master_exit(record: &Value) -> Vec<String> {
    let (pid, how) = (number(record, "pid"), ended(record));
    let mut first = format!("master {pid} {how}");
    if let Some(orphans) = record["orphans"].as_u64().filter(|orphans| *orphans > 0) {
        let _ = write!(first, ", leaving {orphans} processes behind");
    }
    vec![first]
}

/// What a death may have beside its first line.
fn death(record: &Value, mut first: String) -> Vec<String> {
    if record["core_dumped"] == true {
        first.push_str(", core dumped");
    }
    let mut lines = vec![first];
    let crash = &record["crash"];
    if let Some(address) = crash["address"].as_str() {
        lines.push(format!("touched address {address}"));
    }
    let stack = crash["stack"].as_array();
    let stack = stack.map(Vec::as_slice).unwrap_or_default();
    for (n, frame) in stack.iter().take(FRAMES).enumerate() {
        let word = if n == 0 { "in" } else { "by" };
        lines.push(format!("{word} {}", frame.as_str().unwrap_or("?")));
    }
    if stack.len() > FRAMES {
        let more = stack.len() - FRAMES;
        lines.push(format!("… {more} more calls: --output json shows them"));
    }
    let memory = &record["memory"];
    if memory.is_object() {
        let bytes = |key: &str| match memory[key].as_u64() {
            Some(bytes) => bytesize::ByteSize(bytes).display().iec().to_string(),
            None => "?".to_owned(),
        };
        lines.push(format!(
            "{} resident, the limit of its {} is {}",
            bytes("rss_bytes"),
            if memory["scope"] == "cgroup" {
                "control group"
            } else {
                "host"
            },
            bytes("limit_bytes")
        ));
    }
    lines
}

fn ended(record: &Value) -> String {
    let signal = record["signal"].as_str().unwrap_or("a signal");
    let mut how = match record["reason"].as_str().unwrap_or_default() {
        "crash" => format!("crashed: {signal}"),
        "oom_kill" => "was ended by the kernel's OOM killer".to_owned(),
        "killed" => format!("was killed: {signal}"),
        "graceful" => "ended gracefully".to_owned(),
        "error_exit" => format!("failed: exit code {}", number(record, "exit_code")),
        other => format!("ended: {other}"),
    };
    let sender = &record["sender"];
    if sender.is_object() {
        let (name, pid) = (text(sender, "comm"), number(sender, "pid"));
        let _ = write!(
            how,
            " from {name} (pid {pid}, uid {})",
            number(sender, "uid")
        );
    }
    how
}

fn response(record: &Value) -> String {
    let (status, cause) = (number(record, "status"), text(record, "cause"));
    let mut line = format!("HTTP {status}  {}  {cause}", asked(record));
    if let Some(upstream) = record["upstream"].as_str() {
        let _ = write!(line, "  upstream {upstream}");
    }
    line
}

/// The method and the path.
fn asked(record: &Value) -> String {
    format!("{} {}", text(record, "method"), text(record, "path"))
}

/// A record of a kind that is not known here: all of it.
fn other(record: &Value) -> String {
    let mut rest = record.clone();
    if let Some(members) = rest.as_object_mut() {
        for known in ["time", "type", "instance", "host"] {
            members.remove(known);
        }
    }
    format!("{} {rest}", text(record, "type"))
}

fn role(record: &Value) -> String {
    match record["role"].as_str() {
        None | Some("unknown") => "process".to_owned(),
        Some(role) => role.replace('_', " "),
    }
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap_or("?").to_owned()
}

fn number(record: &Value, key: &str) -> String {
    match &record[key] {
        Value::Number(number) => number.to_string(),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_death_is_told_with_all_that_matters() {
        let frames: Vec<_> = (0..10).map(|n| format!("nginx+{n:#x} f{n}")).collect();
        let requests = vec![json!({"method": "GET", "path": null, "age_ms": 7}); 6];
        let record = json!({
            "type": "worker_exit", "pid": 12, "role": "cache_manager", "reason": "crash",
            "signal": "SIGSEGV", "core_dumped": true, "uptime_s": 0.71, "sender": null,
            "crash": {"address": "0x8", "stack": frames},
            "memory": {"rss_bytes": 1_048_576, "limit_bytes": null, "scope": "cgroup"},
            "lost_requests": requests, "lost_requests_total": 70,
        });
        let lines = lines(&record);
        assert_eq!(
            lines[0],
            "cache manager 12 crashed: SIGSEGV, 0.7 s old, core dumped"
        );
        assert_eq!(lines[1..3], ["touched address 0x8", "in nginx+0x0 f0"]);
        assert_eq!(lines[10], "… 2 more calls: --output json shows them");
        assert_eq!(
            lines[11],
            "1.0 MiB resident, the limit of its control group is ?"
        );
        assert_eq!(lines[12], "lost GET ?, 7 ms old");
        assert_eq!(
            lines.last().map(String::as_str),
            Some("… 65 more lost requests")
        );
    }

    #[test]
    fn each_kind_has_its_line() {
        let sender = json!({"pid": 5, "uid": 0, "comm": "kill"});
        for (record, expected) in [
            (
                json!({"type": "worker_start", "role": "worker", "pid": 3, "generation": 2}),
                "worker 3 started (generation 2)",
            ),
            (
                json!({"type": "master_exit", "pid": 3, "reason": "killed", "signal": "SIGKILL",
                       "sender": sender, "orphans": 2}),
                "master 3 was killed: SIGKILL from kill (pid 5, uid 0), leaving 2 processes behind",
            ),
            (
                json!({"type": "backend_exit", "backend": "php-fpm", "pid": 3, "omitted": 1,
                       "address": "unix:/run/php", "reason": "error_exit", "exit_code": 3}),
                "backend php-fpm (pid 3, unix:/run/php) failed: exit code 3; 1 more before it",
            ),
            (
                json!({"type": "reload", "result": "failed", "generation": 1}),
                "reload refused: the old configuration serves on (generation 1)",
            ),
            (
                json!({"type": "upgrade", "old_master": 1, "new_master": 2}),
                "binary upgrade: master 1 has started master 2",
            ),
            (
                json!({"type": "response", "status": 502, "cause": "upstream_refused",
                       "method": "GET", "path": "/a", "upstream": "127.0.0.1:9"}),
                "HTTP 502  GET /a  upstream_refused  upstream 127.0.0.1:9",
            ),
            (
                json!({"type": "new", "time": "t", "instance": "i", "host": "h", "a": [1]}),
                "new {\"a\":[1]}",
            ),
        ] {
            assert_eq!(lines(&record), [expected], "{record}");
        }
    }

    #[test]
    fn whatever_stands_there_is_shown_safely() {
        let kinds = [
            "worker_start",
            "worker_exit",
            "backend_exit",
            "master_exit",
            "reload",
        ];
        let more = ["upgrade", "response", "\u{1b}[2J\n"];
        for kind in kinds.iter().chain(&more) {
            for value in [
                json!(null),
                json!("\u{1b}]0;x\u{7}\n"),
                json!([[{}]]),
                json!(1e300),
            ] {
                let mut record = json!({"type": kind});
                for key in [
                    "pid",
                    "role",
                    "reason",
                    "signal",
                    "sender",
                    "crash",
                    "memory",
                    "path",
                    "lost_requests",
                    "lost_requests_total",
                    "uptime_s",
                    "address",
                    "x",
                ] {
                    record[key] = value.clone();
                }
                for line in lines(&record) {
                    assert!(!line.chars().any(char::is_control), "{line:?}");
                    assert!(line.len() < LONGEST * 10);
                }
            }
        }
        assert_eq!(lines(&json!([])), ["? []"]);
    }
}

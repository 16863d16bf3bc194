//! One incident, as a person and as a program sees it.

use std::fs;

use serde_json::json;

use super::{
    super::{
        json::object,
        line::tests::incident,
        one::{Found, find},
    },
    *,
};

/// What is shown of the incident `a-1` in a journal of these records: text, and JSON.
fn shown(records: &[Value], writer: Writer) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("j");
    let lines = records.iter().map(|record| format!("{record}\n"));
    fs::write(&journal, lines.collect::<String>()).expect("written");
    let files = Files::open(&journal).expect("open");
    let Found::One(whole) = find(&files, "a-1").expect("read") else {
        panic!("it is there");
    };
    let (mut text, mut json) = (Vec::new(), Vec::new());
    show(&mut text, &files, &whole, writer).expect("shown");
    object(&mut json, &files, &whole, writer).expect("shown");
    let utf8 = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (utf8(text), utf8(json))
}

fn exit(time: &str) -> Value {
    json!({"time": time, "type": "worker_exit", "instance": "/run/nginx.pid", "host": "web1",
           "pid": 16_492, "role": "worker", "reason": "crash", "signal": "SIGSEGV",
           "uptime_s": 0.7, "crash": {"address": "0x8", "stack": ["nginx+0x6d64e f+0x1e"]}})
}

#[test]
fn all_of_an_incident_is_shown_in_order() {
    let records = [
        exit("2026-01-02T03:04:05.000000Z"),
        incident("a-1", "opened", &json!({"evidence": []})),
        incident("a-1", "updated", &json!({"time": "2026-01-02T03:04:06Z"})),
        incident(
            "a-1",
            "closed",
            &json!({"closed_at": "2026-01-02T03:05:08.5Z", "summary": "2 workers crashed",
                    "complete": false}),
        ),
    ];
    let (text, object) = shown(&records, Writer::Gone);
    let expected = "\
incident a-1: worker_crash, confirmed
2 workers crashed

nginx   /run/nginx.pid, on web1
opened  2026-01-02 03:04:05.000 UTC
last    2026-01-02 03:04:08.500 UTC, 3s later
closed  2026-01-02 03:05:08.500 UTC
failed  7 responses: 3 × 500, 4 × 502
lost    2 requests, without a response
partly  records were lost, or a source was missing: there may be more to it

evidence, and when it was seen last (UTC)
  2026-01-02 03:04:08.500      1 × a worker ended by SIGSEGV  (lifecycle)

timeline (UTC)
  2026-01-02 03:04:05.000  worker 16492 crashed: SIGSEGV, 0.7 s old
                             touched address 0x8
                             in nginx+0x6d64e f+0x1e
  2026-01-02 03:04:05.000  incident opened: 1 worker crashed
  2026-01-02 03:04:06.000  incident updated
  2026-01-02 03:05:08.500  incident closed: 2 workers crashed

what to do
  → look
";
    assert_eq!(text, expected);
    let object: Value = serde_json::from_str(&object).expect("one object");
    assert_eq!(object["records"], json!([records[0], records[1]]));
    assert_eq!(
        (&object["left_open"], &object["updates"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(object["evidence"], records[3]["evidence"]);
}

#[test]
fn what_is_not_known_is_said() {
    let bare = json!({"responses": {}, "lost_requests": null, "evidence": [], "advice": null});
    let (text, object) = shown(&[incident("a-1", "updated", &bare)], Writer::Gone);
    for line in [
        "closed  left open: the agent ended first, so nobody saw the end",
        "failed  no response that could be counted",
        "lost    not known: nothing followed the requests",
        "  2026-01-02 03:04:05.000  incident opened",
        "  2026-01-02 03:04:09.000  the last that the agent told of it",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(object.contains("\"left_open\":true"), "{object}");
    let (text, object) = shown(&[incident("a-1", "updated", &bare)], Writer::Unknown);
    assert!(text.contains("closed  not yet"), "{text}");
    assert!(object.contains("\"left_open\":false"), "{object}");
}

#[test]
fn nothing_in_a_record_steers_the_terminal() {
    let evil = "\u{1b}[2J\u{9b}1m\u{202e}\u{7f}\n";
    let hostile = json!({
        "cause": evil, "confidence": evil, "summary": evil, "host": evil, "responses": {evil: 1},
        "evidence": [{"time": "2026-01-02T03:04:08Z", "source": evil, "what": evil, "count": -1}],
        "advice": [evil, 7], "complete": evil,
    });
    let mut exit = exit("2026-01-02T03:04:05Z");
    exit["host"] = json!(evil);
    exit["role"] = json!(evil);
    exit["crash"]["stack"] = json!([evil, evil]);
    let (text, object) = shown(&[exit, incident("a-1", "opened", &hostile)], Writer::Gone);
    for shown in [&text, &object] {
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.chars().any(steers), "{shown:?}");
    }
    assert_eq!(object.lines().count(), 1);
    let read: Value = serde_json::from_str(&object).expect("still JSON");
    assert_eq!(
        (&read["summary"], &read["host"]),
        (&json!(evil), &json!(evil))
    );
}

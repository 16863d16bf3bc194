//! Facts in, records out.

mod field;
mod incidents;
mod properties;
mod seen;

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::*;
use crate::{
    access_log::how::How,
    facts::{Logged, MasterExit, Role, Sender},
};

const QUIET: Duration = Duration::from_mins(1);
const START: Time = Time(1_700_000_000_000_000);

pub(super) fn at(milliseconds: u64) -> Time {
    START.plus(Duration::from_millis(milliseconds))
}

pub(super) fn correlator() -> Correlator {
    Correlator::new("host".into(), QUIET, false)
}

pub(super) fn fact(milliseconds: u64, event: Event) -> Fact {
    Fact {
        time: at(milliseconds),
        instance: "/run/nginx.pid".into(),
        event,
    }
}

pub(super) fn exit(reason: Reason) -> WorkerExit {
    WorkerExit {
        pid: 7,
        role: Role::Worker,
        generation: 1,
        reason,
        signal: Some("SIGSEGV"),
        exit_code: None,
        core_dumped: false,
        sender: None,
        lost_connections: None,
        lost_requests: None,
        lost_total: None,
        crash: None,
        memory: None,
        uptime_s: 1.0,
        detail: None,
        by_master: false,
        with_master: false,
    }
}

fn died(milliseconds: u64, reason: Reason) -> Fact {
    fact(milliseconds, Event::WorkerExit(Box::new(exit(reason))))
}

fn logged(milliseconds: u64, code: u16, count: u64) -> Fact {
    fact(
        milliseconds,
        Event::Logged(Box::new(Logged::several(code, How::Untold, count))),
    )
}

fn reload(milliseconds: u64, result: ReloadResult) -> Fact {
    fact(
        milliseconds,
        Event::Reload(Reload {
            result,
            generation: 2,
            detail: None,
        }),
    )
}

/// The incidents among records, as a reader of the journal sees them.
pub(super) fn incidents(records: &[Record]) -> Vec<Value> {
    records
        .iter()
        .map(|record| serde_json::to_value(record).expect("a record is JSON"))
        .filter(|record| record["type"] == "incident")
        .collect()
}

pub(super) fn states(records: &[Record]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    incidents(records)
        .iter()
        .map(|incident| (text(&incident["state"]), text(&incident["cause"])))
        .collect()
}

pub(super) fn one(records: &[Record], state: &str, cause: &str) {
    assert_eq!(states(records), [(state.to_owned(), cause.to_owned())]);
}

#[test]
fn a_run_of_crashes_is_one_incident() {
    let mut correlator = correlator();
    one(
        &correlator.fact(died(0, Reason::Crash)),
        "opened",
        "worker_crash",
    );
    for n in 1..20 {
        assert_eq!(states(&correlator.fact(died(n * 10, Reason::Crash))), []);
        assert_eq!(states(&correlator.tick(at(n * 10))), []);
    }
    let updated = correlator.tick(at(1000));
    one(&updated, "updated", "worker_crash");
    let incident = &incidents(&updated)[0];
    assert_eq!(incident["summary"], "20 workers crashed");
    assert_eq!(incident["evidence"][0]["count"], 20);
    assert_eq!(incident["confidence"], "confirmed");
    assert_eq!(states(&correlator.tick(at(190 + 59_999))), []);
    one(&correlator.tick(at(190 + 60_000)), "closed", "worker_crash");
    assert!(correlator.is_idle());
}

#[test]
fn each_reason_has_its_cause() {
    for (reason, cause) in [
        (Reason::Crash, "worker_crash"),
        (Reason::ErrorExit, "worker_crash"),
        (Reason::OomKill, "worker_oom_kill"),
        (Reason::Killed, "worker_killed"),
    ] {
        one(&correlator().fact(died(0, reason)), "opened", cause);
    }
    assert_eq!(states(&correlator().fact(died(0, Reason::Graceful))), []);
}

#[test]
fn a_stop_that_takes_too_long_is_no_incident() {
    let mut killed = exit(Reason::Killed);
    killed.sender = Some(Sender {
        pid: 1,
        uid: 0,
        comm: "nginx".into(),
    });
    killed.by_master = true;
    let fact = fact(0, Event::WorkerExit(Box::new(killed)));
    assert_eq!(states(&correlator().fact(fact)), []);
}

#[test]
fn failed_responses_near_a_death_stand_beside_it_once() {
    let mut correlator = correlator();
    correlator.fact(logged(0, 500, 100)); // too long before
    correlator.fact(logged(3000, 500, 7));
    let opened = correlator.fact(died(4000, Reason::Crash));
    one(&opened, "opened", "worker_crash");
    correlator.fact(died(4100, Reason::Crash));
    correlator.fact(logged(5000, 500, 5));
    correlator.fact(logged(9000, 500, 100)); // too long after
    let all = correlator.tick(at(9500));
    let all = incidents(&all);
    let crash = all
        .iter()
        .find(|one| one["cause"] == "worker_crash")
        .expect("updated");
    let beside = crash["evidence"]
        .as_array()
        .expect("a list")
        .last()
        .cloned();
    let beside = beside.expect("some");
    assert_eq!(
        (&beside["source"], &beside["count"]),
        (&"access_log".into(), &12.into())
    );
    assert_eq!(crash["responses"], serde_json::json!({}));
    let unknown = all
        .iter()
        .find(|one| one["cause"] == "unknown")
        .expect("updated");
    assert_eq!(unknown["responses"], serde_json::json!({"500": 212}));
    assert_eq!(unknown["confidence"], "possible");
}

#[test]
fn responses_below_500_are_no_failures() {
    let responses = Event::Responses(BTreeMap::from([(404, 1_000_000)]));
    assert_eq!(states(&correlator().fact(fact(0, responses))), []);
}

#[test]
fn the_first_record_of_an_unknown_failure_has_its_count() {
    let records = correlator().fact(logged(0, 502, 3));
    one(&records, "opened", "unknown");
    let incident = &incidents(&records)[0];
    assert_eq!(incident["responses"], serde_json::json!({"502": 3}));
    assert_eq!(
        incident["summary"],
        "3 failed responses that no evidence explains"
    );
}

#[test]
fn a_good_reload_ends_a_refused_one() {
    let mut correlator = correlator();
    one(
        &correlator.fact(reload(0, ReloadResult::Failed)),
        "opened",
        "reload_failed",
    );
    one(
        &correlator.fact(reload(10, ReloadResult::Ok)),
        "closed",
        "reload_failed",
    );
    assert_eq!(states(&correlator.fact(reload(20, ReloadResult::Ok))), []);
}

#[test]
fn a_master_that_leaves_orphans_is_an_incident() {
    let gone = |reason, orphans| {
        let exit = MasterExit {
            pid: 1,
            reason,
            signal: None,
            exit_code: Some(0),
            sender: None,
            orphans,
            detail: None,
        };
        let mut correlator = correlator();
        let told = states(&correlator.fact(fact(0, Event::MasterExit(exit)))).len();
        told + states(&correlator.tick(at(1000))).len()
    };
    assert_eq!(gone(Reason::Graceful, 0), 0);
    assert_eq!(gone(Reason::Graceful, 2), 1);
    assert_eq!(gone(Reason::Killed, 0), 1);
}

#[test]
fn a_loss_makes_what_is_open_incomplete() {
    let mut correlator = correlator();
    assert_eq!(
        incidents(&correlator.fact(died(0, Reason::Crash)))[0]["complete"],
        true
    );
    correlator.fact(Fact {
        time: at(1),
        instance: "".into(),
        event: Event::Lost(3),
    });
    assert_eq!(incidents(&correlator.tick(at(2000)))[0]["complete"], false);
}

#[test]
fn without_a_source_nothing_is_complete() {
    let mut correlator = Correlator::new("host".into(), QUIET, true);
    assert_eq!(
        incidents(&correlator.fact(logged(0, 500, 1)))[0]["complete"],
        false
    );
}

#[test]
fn two_instances_are_kept_apart() {
    let mut correlator = correlator();
    correlator.fact(died(0, Reason::Crash));
    let mut other = died(1, Reason::Crash);
    other.instance = "/run/other.pid".into();
    one(&correlator.fact(other), "opened", "worker_crash");
}

#[test]
fn memory_is_bounded() {
    let mut correlator = correlator();
    for n in 0..5000 {
        let mut fact = logged(n, 500, 1);
        fact.instance = format!("pid:{n}").into();
        correlator.fact(fact);
    }
    assert!(correlator.open.len() <= MAX_OPEN);
    assert!(correlator.recent.instances() <= MAX_OPEN);
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let run = || {
        let mut correlator = correlator();
        let mut text = String::new();
        for n in 0..100 {
            for record in correlator.fact(logged(n * 100, 500 + (n % 5) as u16, n)) {
                text += &record.to_json_line().expect("JSON");
            }
            for record in correlator.fact(died(n * 100 + 50, Reason::OomKill)) {
                text += &record.to_json_line().expect("JSON");
            }
            for record in correlator.tick(at(n * 100 + 60)) {
                text += &record.to_json_line().expect("JSON");
            }
        }
        text
    };
    assert_eq!(run(), run());
}

#[test]
fn what_is_read_late_is_put_to_its_own_time() {
    let mut correlator = correlator();
    let death = 3_600_000;
    one(
        &correlator.fact(died(death, Reason::Crash)),
        "opened",
        "worker_crash",
    );
    // An hour before it, of a log that nobody read until now.
    one(&correlator.fact(logged(0, 500, 5)), "opened", "unknown");
    let closed = correlator.tick(at(death + 2_000));
    one(&closed, "closed", "unknown");
    assert_eq!(
        incidents(&closed)[0]["closed_at"],
        serde_json::to_value(START.plus(QUIET)).expect("a time")
    );
    let crash = correlator.tick(at(death + 120_000));
    let evidence = incidents(&crash)[0]["evidence"].clone();
    assert_eq!(evidence.as_array().map(Vec::len), Some(1), "{evidence}");
}

/// What the error log is cited with in the incidents among records, and its time.
fn cited(records: &[Record]) -> Vec<(String, Value)> {
    let evidence = incidents(records).into_iter().flat_map(|incident| {
        let pieces = incident["evidence"].as_array().cloned();
        pieces.unwrap_or_default()
    });
    evidence
        .filter(|piece| piece["source"] == "error_log")
        .map(|piece| (piece["what"].to_string(), piece["time"].clone()))
        .collect()
}

fn refused(milliseconds: u64, why: &str) -> Fact {
    fact(milliseconds, Event::ConfigRefused(why.into()))
}

#[test]
fn a_refused_configuration_goes_with_the_reload_of_its_time() {
    const HOUR: u64 = 3_600_000;
    let mut correlator = correlator();
    // Read at once: of yesterday, of an hour ago, and of another log of the same nginx.
    correlator.fact(refused(24 * HOUR, "an hour ago"));
    correlator.fact(refused(25 * HOUR, "just now"));
    correlator.fact(refused(0, "yesterday"));
    let opened = correlator.fact(reload(25 * HOUR + 100, ReloadResult::Failed));
    one(&opened, "opened", "reload_failed");
    let words = cited(&opened);
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(words[0].0.contains("just now"), "{words:?}");
    // What is read late neither joins it nor keeps it open.
    correlator.fact(refused(HOUR, "late"));
    let closed = correlator.tick(at(25 * HOUR + 100 + 60_000));
    one(&closed, "closed", "reload_failed");
    assert_eq!(cited(&closed), words);
    let again = correlator.fact(reload(26 * HOUR, ReloadResult::Failed));
    one(&again, "opened", "reload_failed");
    assert_eq!(cited(&again), []);
}

#[test]
fn evidence_of_an_earlier_second_does_not_take_an_incident_back() {
    let mut correlator = correlator();
    let opened = correlator.fact(reload(900, ReloadResult::Failed));
    one(&opened, "opened", "reload_failed");
    // The log tells seconds only.
    correlator.fact(refused(4_000, "why"));
    correlator.fact(refused(0, "why"));
    let updated = correlator.tick(at(5_000));
    let time = serde_json::to_value(at(4_000)).expect("a time");
    let words = cited(&updated);
    assert_eq!((words.len(), &words[0].1), (1, &time), "{words:?}");
    one(&correlator.tick(at(64_000)), "closed", "reload_failed");
}

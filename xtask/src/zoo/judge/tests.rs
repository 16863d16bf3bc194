use std::time::SystemTime;

use serde_json::json;

use super::super::truth::{Verdict, is};
use super::*;

fn truth(classes: &[(Kind, Verdict, u64)]) -> Truth {
    let mut truth = Truth::default();
    for (kind, verdict, count) in classes {
        truth.add(Class {
            kind: *kind,
            verdict: verdict.clone(),
            count: *count,
            paths: Vec::new(),
            first: SystemTime::UNIX_EPOCH,
        });
    }
    truth
}

fn told(responses: &[(u16, &str, u64)], incidents: &[&str]) -> Told {
    let mut told = Told::default();
    for (code, cause, count) in responses {
        let causes = told.responses.entry(*code).or_default();
        causes.insert((*cause).to_owned(), *count);
    }
    told.incidents = incidents
        .iter()
        .map(|cause| ((*cause).to_owned(), 1))
        .collect();
    told
}

#[test]
fn two_classes_of_one_status_share_what_was_told() {
    let truth = truth(&[
        (
            Kind::Responses(500),
            is("auth_request").or("upstream_response"),
            5,
        ),
        (Kind::Responses(500), is("upstream_response"), 5),
    ]);
    let all = told(
        &[(500, "auth_request", 3), (500, "upstream_response", 7)],
        &["auth_request", "upstream_response"],
    );
    let judgement = judge(&truth, Mode::Full, &all);
    assert_eq!((judgement.right, judgement.wrong), (10, 0));
    assert!(judgement.problems.is_empty(), "{:?}", judgement.problems);
    assert!(is_accounted(&truth, Mode::Full, &all));
}

#[test]
fn what_is_unknown_untold_wrong_or_too_much_is_a_problem() {
    let truth = truth(&[(Kind::Responses(500), is("redirect_cycle"), 5)]);
    for (responses, incidents, counts) in [
        (&[(500, "unknown", 5)][..], &["unknown"][..], (0, 0, 5, 0)),
        (
            &[(500, "redirect_cycle", 4)],
            &["redirect_cycle"],
            (4, 0, 0, 1),
        ),
        (&[(500, "limited", 5)], &["limited"], (0, 5, 0, 0)),
        (
            &[(500, "redirect_cycle", 6)],
            &["redirect_cycle"],
            (5, 1, 0, 0),
        ),
        (
            &[(500, "redirect_cycle", 5), (502, "unknown", 1)],
            &["redirect_cycle"],
            (5, 0, 1, 0),
        ),
        (&[(500, "redirect_cycle", 5)], &[], (5, 0, 0, 0)),
    ] {
        let judgement = judge(&truth, Mode::Full, &told(responses, incidents));
        let found = (
            judgement.right,
            judgement.wrong,
            judgement.unknown,
            judgement.untold,
        );
        assert_eq!(found, counts, "{responses:?}");
        assert!(!judgement.problems.is_empty(), "{responses:?}");
    }
}

#[test]
fn a_mode_may_know_less() {
    let truth = truth(&[
        (
            Kind::Responses(500),
            is("limited").or_in(&[Mode::Kernel], "unknown"),
            2,
        ),
        (
            Kind::Deaths("crash"),
            is("worker_crash").or_untold_in(&[Mode::Kernel]),
            1,
        ),
    ]);
    let all = told(&[(500, "unknown", 2)], &["unknown"]);
    let judgement = judge(&truth, Mode::Kernel, &all);
    assert!(judgement.problems.is_empty(), "{:?}", judgement.problems);
    assert_eq!((judgement.unknown, judgement.untold), (2, 1));
    assert!(!judge(&truth, Mode::Full, &all).problems.is_empty());
}

#[test]
fn causes_that_were_exchanged_are_wrong_although_their_sums_are_right() {
    let mut truth = truth(&[
        (Kind::Responses(500), is("lua_error"), 1),
        (Kind::Responses(500), is("limited"), 1),
    ]);
    for (class, path) in truth.classes.iter_mut().zip(["/lua", "/limited"]) {
        class.paths.push(path.to_owned());
    }
    let causes = ["limited", "lua_error"];
    let mut told = told(&[(500, "limited", 1), (500, "lua_error", 1)], &causes);
    assert!(judge(&truth, Mode::Full, &told).problems.is_empty());
    for (path, cause) in ["/lua", "/limited"].into_iter().zip(causes) {
        let record = json!({"type": "response", "status": 500, "path": path, "cause": cause});
        told.records.push((SystemTime::now(), record));
    }
    let judgement = judge(&truth, Mode::Full, &told);
    assert_eq!((judgement.right, judgement.wrong), (0, 2));
    assert_eq!(judgement.problems.len(), 1);
}

#[test]
fn a_quiet_scenario_allows_no_incident() {
    let quiet = judge(&Truth::default(), Mode::Full, &told(&[], &["unknown"]));
    assert_eq!(quiet.problems.len(), 1);
}

#[test]
fn requests_that_were_cut_off_are_counted() {
    let truth = truth(&[(Kind::Lost, is("worker_shutdown"), 2)]);
    let lost = json!([{"path": "/order"}, {"path": "/order"}]);
    let mut told = told(&[], &["worker_shutdown"]);
    for (detail, problems) in [
        ("drained", 1),
        ("shutdown_timeout", 0),
        ("shutdown_timeout", 1),
    ] {
        let record = json!({"type": "worker_exit", "detail": detail, "lost_requests": lost});
        let mut records = std::mem::take(&mut told.records);
        records.push((SystemTime::now(), record));
        let incidents = told.incidents.clone();
        told.take(records);
        told.incidents = incidents;
        let judgement = judge(&truth, Mode::Full, &told);
        assert_eq!(
            judgement.problems.len(),
            problems,
            "{:?}",
            judgement.problems
        );
    }
}

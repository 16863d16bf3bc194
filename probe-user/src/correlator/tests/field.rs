//! Situations that people met, as the kernel half, the logs and the configuration tell of each: whose
//! failure it was.

use serde_json::json;

use super::{
    at, correlator, fact,
    seen::{ALL, LOGS, Seen, message},
};
use crate::{
    access_log::how::How,
    facts::{Event, WorkerExit, detail},
    requests::{Attempt, End, LostRequest},
};

#[track_caller]
fn is(seen: Seen, status: u16, cause: &str, sure: &str) {
    let expected = (status, cause.to_owned(), sure.to_owned());
    assert_eq!(seen.told(), Some(expected));
}

const OK: Attempt = Attempt::Status(200);
const REFUSED: Attempt = Attempt::Ended(End::Error("ECONNREFUSED"));

#[test]
fn what_nginx_says_stands_before_what_an_earlier_upstream_did() {
    for (status, class, cause) in [
        (500, "rewrite_cycle", "redirect_cycle"),
        (500, "named_location_missing", "config_error"),
        (500, "njs_failed", "module_error"),
        (503, "limit_req_refused", "limited"),
    ] {
        let own = Seen::sent(status, &[OK]).made(status, Some(class));
        is(own, status, cause, "confirmed");
        // The same by the error log alone.
        let own = Seen::sent(status, &[OK]).made(status, None).noted(class);
        is(own, status, cause, "confirmed");
    }
    // A rule that refuses what an upstream had answered otherwise.
    let denied = Seen::sent(502, &[Attempt::Status(404)]).made(502, Some("rule_denied"));
    is(denied, 502, "denied_by_rule", "confirmed");
    // Nothing was said: nobody knows, and it was not the upstream.
    is(
        Seen::sent(500, &[OK]).made(500, None),
        500,
        "unknown",
        "possible",
    );
}

#[test]
fn an_upstream_that_cannot_be_read_answered_what_nginx_did_not_make() {
    let tls = || Seen::sent(503, &[Attempt::Unread]);
    is(tls(), 503, "upstream_response", "confirmed");
    // A switch in the configuration changes nothing about it.
    is(tls().codes(&[503]), 503, "upstream_response", "confirmed");
    // What is asked in TLS may be a guard, whose place a script or a `return` answers.
    is(
        tls().says(json!({"scripted": true})),
        503,
        "upstream_response",
        "probable",
    );
    let always = tls().codes(&[503]).says(json!({"always": 503}));
    assert_ne!(
        always.told().map(|told| told.2).as_deref(),
        Some("confirmed")
    );
    let refused = Seen::sent(502, &[Attempt::Unread]).made(502, Some("tls_failed"));
    assert_ne!(
        refused.told().map(|told| told.1).as_deref(),
        Some("upstream_response")
    );
    // Of a client that cannot be read either, the line alone tells.
    let line = Seen::by(ALL).logged(500, How::Untold);
    is(
        line.says(json!({"opaque": true})),
        500,
        "upstream_response",
        "probable",
    );
    is(
        Seen::by(ALL).logged(500, How::Untold),
        500,
        "unknown",
        "possible",
    );
}

#[test]
fn a_failure_behind_a_better_status_is_masked() {
    is(
        Seen::sent(404, &[REFUSED]),
        404,
        "upstream_masked",
        "confirmed",
    );
    is(
        Seen::sent(200, &[Attempt::Ended(End::Closed)]),
        200,
        "upstream_masked",
        "confirmed",
    );
    assert_eq!(
        Seen::sent(200, &[REFUSED, OK]).told(),
        None,
        "another helped"
    );
    // By the logs alone, where the format tells of no upstream.
    let hidden = || {
        Seen::by(LOGS)
            .noted("connect_refused")
            .logged(404, How::Untold)
    };
    is(hidden(), 404, "upstream_masked", "confirmed");
    assert_eq!(hidden().says(json!({"several": true})).told(), None);
    assert_eq!(hidden().says(json!({"scripted": true})).told(), None);
    let closed = Seen::by(LOGS)
        .noted("upstream_closed")
        .logged(200, How::Untold);
    assert_eq!(closed.says(json!({"several": true})).told(), None);
    let mut mirrored = hidden();
    mirrored.mirrors = &["/shadow"];
    if let Some(note) = &mut mirrored.note {
        note.subrequest = Some("/shadow".to_owned());
    }
    assert_eq!(mirrored.told(), None);
}

#[test]
fn an_answer_that_is_cut_is_a_failure_with_the_status_that_was_sent() {
    let mut cut = Seen::sent(200, &[OK]);
    if let Some(answer) = &mut cut.answer {
        (answer.late, answer.message) = (true, Some(message("upstream_closed_body")));
    }
    is(cut, 200, "upstream_closed", "confirmed");
    let logs = Seen::by(LOGS)
        .noted("upstream_closed_body")
        .logged(200, How::Untold);
    is(logs, 200, "upstream_closed", "probable");
    // A message that may be about a mirror, and is.
    let late = |part: Option<&str>| {
        let mut seen = Seen::sent(200, &[OK]).noted("upstream_closed_body");
        seen.mirrors = &["/shadow"];
        if let (Some(answer), Some(note)) = (&mut seen.answer, &mut seen.note) {
            (answer.late, answer.message) = (true, Some(message("upstream_closed_body")));
            note.subrequest = part.map(str::to_owned);
        }
        seen.told()
    };
    assert_eq!(late(Some("/shadow")), None);
    assert!(late(None).is_some() && late(Some("/part")).is_some());
    // A websocket that ends.
    let mut ended = Seen::sent(101, &[Attempt::Status(101)]);
    if let Some(answer) = &mut ended.answer {
        (answer.late, answer.message) = (true, Some(message("upstream_closed_body")));
    }
    assert_eq!(ended.told(), None);
}

#[test]
fn a_connection_that_is_closed_without_an_answer_is_a_failure_where_nginx_says_so() {
    let closed = |class: Option<&str>| {
        let mut seen = Seen::sent(0, &[]);
        if let Some(answer) = &mut seen.answer {
            (answer.status, answer.cut) = (None, true);
            answer.message = class.map(message);
        }
        seen
    };
    is(
        closed(Some("lua_filter_failed")),
        0,
        "lua_error",
        "confirmed",
    );
    assert_eq!(
        closed(None).told(),
        None,
        "the client may have been too slow"
    );
}

#[test]
fn the_configuration_answers_where_nothing_else_could() {
    let own = |made| Seen::sent(503, &[]).made(made, None).codes(&[503]);
    is(own(503), 503, "config_response", "probable");
    let mut unmade = Seen::sent(503, &[]).codes(&[503]);
    is(unmade, 503, "config_response", "probable");
    // A cache, a script, and a message that no class knows each may be the reason.
    unmade = Seen::sent(503, &[])
        .codes(&[503])
        .says(json!({"cached": true}));
    is(unmade, 503, "upstream_response", "probable");
    let scripted = Seen::sent(503, &[])
        .codes(&[503])
        .says(json!({"scripted": true}));
    is(scripted, 503, "unknown", "possible");
    is(own(503).noted("other"), 503, "unknown", "possible");
    let script = Seen::sent(503, &[]).says(json!({"scripted": true}));
    is(script, 503, "script_response", "probable");
    // What it answers always it answers whatever else is there.
    let always = own(503).says(json!({"always": 503, "scripted": true}));
    is(always, 503, "config_response", "probable");
}

#[test]
fn a_limit_refuses_whatever_page_says_so() {
    let limited = |how| Seen::by(LOGS).noted("limit_req_refused").logged(503, how);
    is(limited(How::Untold), 503, "limited", "probable");
    is(limited(How::Upstream), 503, "limited", "confirmed");
    // The page's own upstream is down.
    let dead = Seen::sent(502, &[Attempt::Ended(End::Error("ECONNREFUSED"))]);
    let dead = dead.made(502, Some("connect_refused"));
    is(
        dead.noted("limit_req_refused"),
        502,
        "upstream_refused",
        "confirmed",
    );
}

#[test]
fn what_no_class_knows_is_shown_in_its_own_words() {
    let mut correlator = correlator();
    correlator.fact(fact(0, Event::Sources(ALL)));
    let seen = Seen::sent(500, &[]).made(500, None).noted("other");
    for event in [
        seen.answer.map(|answer| Event::Answer(Box::new(answer))),
        seen.note.map(|note| Event::Noted(Box::new(note))),
    ] {
        correlator.fact(fact(1, event.expect("an event")));
    }
    let records = correlator.finish(at(5_000));
    let incident = super::incidents(&records).pop().expect("an incident");
    let summary = incident["summary"].as_str().unwrap_or_default();
    assert_eq!(
        summary,
        "1 failed response, of which nginx says: acme said no"
    );
    let evidence = incident["evidence"].to_string();
    assert!(
        evidence.contains(r#""sample":"acme said no""#),
        "{evidence}"
    );
}

#[test]
fn a_message_is_matched_by_what_both_have() {
    // No client in the format.
    let mut seen = Seen::by(LOGS)
        .noted("connect_refused")
        .logged(502, How::UpstreamOrNginx);
    if let Some(line) = &mut seen.line {
        line.client = None;
    }
    is(seen, 502, "upstream_refused", "confirmed");
    // Neither a client nor a request.
    let mut seen = Seen::by(LOGS)
        .noted("connect_refused")
        .logged(502, How::Untold);
    if let Some(line) = &mut seen.line {
        (line.client, line.request, line.as_sent) = (None, None, false);
    }
    is(seen, 502, "upstream_refused", "probable");
    // Silence proves nothing there: a message could not have been matched.
    let mut seen = Seen::by(LOGS).logged(502, How::UpstreamOrNginx);
    if let Some(line) = &mut seen.line {
        (line.client, line.request, line.as_sent) = (None, None, false);
    }
    is(seen, 502, "unknown", "possible");
}

#[test]
fn a_worker_that_runs_out_of_time_to_drain_cuts_requests_off() {
    let mut correlator = correlator();
    let lost = LostRequest {
        client: None,
        method: Some("GET".into()),
        path: Some("/slow".into()),
        host: None,
        age_ms: 6000,
        upstream: None,
    };
    let exit = WorkerExit {
        signal: None,
        exit_code: Some(0),
        lost_connections: Some(2),
        lost_requests: Some(vec![lost]),
        lost_total: Some(2),
        detail: Some(detail::SHUTDOWN_TIMEOUT),
        ..super::exit(crate::facts::Reason::Graceful)
    };
    let records = correlator.fact(fact(0, Event::WorkerExit(Box::new(exit))));
    let incident = super::incidents(&records).pop().expect("an incident");
    assert_eq!(incident["cause"], "worker_shutdown");
    assert_eq!(incident["lost_requests"], 2);
    assert_eq!(
        incident["summary"],
        "2 requests cut off by worker_shutdown_timeout, in 1 draining worker"
    );
}

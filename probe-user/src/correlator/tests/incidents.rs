//! What becomes of an incident while it is open.

use super::*;
use crate::requests::{Answer, Attempt, End, RequestLine};
use crate::{error_log, facts::Noted};

/// An answer that nginx gave because an upstream gave none.
fn gave(milliseconds: u64, status: u16, end: End) -> Fact {
    let answer = Answer {
        pid: 7,
        status: Some(status),
        attempts: vec![Attempt::Ended(end)],
        upstream: Some("10.0.0.1:80".to_owned()),
        protocol: Some("http"),
        made: Some(status),
        ..Answer::default()
    };
    fact(milliseconds, Event::Answer(Box::new(answer)))
}

fn line(milliseconds: u64, status: u16) -> Fact {
    let logged = Logged {
        upstream: Some("10.0.0.1:80".to_owned()),
        ..Logged::several(status, How::UpstreamOrNginx, 1)
    };
    fact(milliseconds, Event::Logged(Box::new(logged)))
}

#[test]
fn a_cause_that_changes_is_another_incident_and_the_first_one_ends() {
    let mut correlator = correlator();
    let mut records = Vec::new();
    let mut give = |correlator: &mut Correlator, milliseconds: u64, given: Option<Fact>| {
        records.extend(given.into_iter().flat_map(|fact| correlator.fact(fact)));
        records.extend(correlator.tick(at(milliseconds)));
    };
    // The application is overloaded, then it is gone.
    for n in 0..30 {
        let slow = gave(n * 1000, 504, End::GaveUp);
        give(&mut correlator, n * 1000, Some(slow));
    }
    for n in 30..120 {
        let refused = gave(n * 1000, 502, End::Error("ECONNREFUSED"));
        give(&mut correlator, n * 1000, Some(refused));
    }
    give(&mut correlator, 300_000, None);
    let mut ends = states(&records);
    ends.retain(|(state, _)| state != "updated");
    let of = |state: &str, cause: &str| (state.to_owned(), cause.to_owned());
    assert_eq!(
        ends,
        [
            of("opened", "upstream_timeout"),
            of("opened", "upstream_refused"),
            of("closed", "upstream_timeout"),
            of("closed", "upstream_refused"),
        ]
    );
    let last = incidents(&records);
    let closed = last.iter().filter(|one| one["state"] == "closed");
    let failed: Vec<_> = closed.map(|one| one["responses"].to_string()).collect();
    assert_eq!(failed, [r#"{"504":30}"#, r#"{"502":90}"#]);
}

#[test]
fn a_line_that_comes_while_an_answer_waits_for_a_death_is_evidence_of_it() {
    let mut correlator = correlator();
    let serves = crate::backends::BackendServes {
        key: "10.0.0.1:80".into(),
    };
    let mut records = correlator.fact(fact(0, Event::BackendServes(serves)));
    records.extend(correlator.fact(fact(
        0,
        Event::Sources(crate::facts::Sources {
            requests: true,
            messages: true,
            access_log: true,
            upstream_status: true,
            error_log: true,
        }),
    )));
    records.extend(correlator.fact(gave(10, 502, End::Closed)));
    records.extend(correlator.fact(line(11, 502)));
    assert_eq!(states(&records), [], "its application may have died");
    records.extend(correlator.tick(at(1000)));
    records.extend(correlator.finish(at(2000)));
    let incident = incidents(&records).pop().expect("an incident");
    assert_eq!(incident["cause"], "upstream_closed");
    assert_eq!(incident["responses"].to_string(), r#"{"502":1}"#);
    let sources: Vec<_> = incident["evidence"]
        .as_array()
        .expect("evidence")
        .iter()
        .map(|piece| piece["source"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(sources, ["requests", "access_log"]);
}

/// A line and a message about the same request of the same client, from logs alone.
fn of_logs(milliseconds: u64, status: u16, class: &str) -> [Fact; 2] {
    let request = Some(RequestLine {
        method: "GET".into(),
        path: "/page".into(),
        cut: false,
    });
    let client = Some("10.0.0.9".to_owned());
    let logged = Logged {
        request: request.clone(),
        client: client.clone(),
        ..Logged::several(status, How::Untold, 1)
    };
    let note = Noted {
        class: crate::error_log::classes()
            .find(|one| one.name == class)
            .expect("a class"),
        level: crate::error_log::Level::Error,
        errno: None,
        pid: 7,
        connection: None,
        request,
        client,
        upstream: None,
        file: None,
        subrequest: None,
        words: None,
        rule: None,
    };
    [
        Event::Logged(Box::new(logged)),
        Event::Noted(Box::new(note)),
    ]
    .map(|event| fact(milliseconds, event))
}

/// What is said of so many of them, all lines before all messages; and of how much evidence.
fn told_of_logs(count: u64, status: u16, class: &str) -> Vec<(String, u64, u64)> {
    let mut correlator = correlator();
    let sources = crate::facts::Sources {
        access_log: true,
        error_log: true,
        ..Default::default()
    };
    correlator.fact(fact(0, Event::Sources(sources)));
    let all: Vec<_> = (0..count).map(|_| of_logs(1, status, class)).collect();
    for place in [0, 1] {
        for one in &all {
            correlator.fact(one[place].clone());
        }
    }
    let records = correlator.finish(at(5000));
    let failed = correlator.take_failures().len() as u64;
    let said = incidents(&records).into_iter().map(|one| {
        let evidence = one["evidence"].as_array().expect("evidence").iter();
        let messages = evidence.filter(|piece| piece["source"] == "error_log");
        let messages = messages.filter_map(|piece| piece["count"].as_u64()).sum();
        let cause = one["cause"].as_str().unwrap_or_default().to_owned();
        (cause, failed, messages)
    });
    said.collect()
}

#[test]
fn in_a_storm_of_the_same_each_answer_has_its_message() {
    let said = told_of_logs(500, 503, "limit_req_refused");
    let expected = ("limited".to_owned(), 500, 500);
    assert_eq!(said.last(), Some(&expected), "{said:?}");
    assert!(said.iter().all(|one| one.0 == "limited"), "{said:?}");
}

#[test]
fn a_message_that_tells_by_itself_is_of_its_answer_too_and_evidence_once() {
    let said = told_of_logs(20, 500, "write_disk_full");
    let expected = ("disk_full".to_owned(), 20, 20);
    assert_eq!(said.last(), Some(&expected), "{said:?}");
    assert!(said.iter().all(|one| one.0 == "disk_full"), "{said:?}");
}

/// An answer that nginx made itself, to a request for `path`.
fn answered(milliseconds: u64, path: &str) -> Fact {
    let answer = Answer {
        pid: 7,
        status: Some(500),
        request: Some(asked_for(path)),
        client: Some("10.0.0.9:40000".to_owned()),
        made: Some(500),
        ..Answer::default()
    };
    fact(milliseconds, Event::Answer(Box::new(answer)))
}

/// The line about such an answer.
fn logged_for(milliseconds: u64, path: &str) -> Fact {
    let logged = Logged {
        request: Some(asked_for(path)),
        as_sent: true,
        client: Some("10.0.0.9".to_owned()),
        ..Logged::several(500, How::Untold, 1)
    };
    fact(milliseconds, Event::Logged(Box::new(logged)))
}

fn asked_for(path: &str) -> RequestLine {
    RequestLine {
        method: "GET".into(),
        path: path.into(),
        cut: false,
    }
}

#[test]
fn a_line_about_an_answer_before_the_start_is_not_taken_for_one_about_another() {
    let mut correlator = Correlator::new("host".into(), QUIET, false);
    correlator.tell_responses();
    let mut records = Vec::new();
    // The first line was written while the agent was away.
    for given in [
        answered(10, "/seen"),
        logged_for(20, "/unseen"),
        logged_for(30, "/seen"),
    ] {
        records.extend(correlator.fact(given));
    }
    records.extend(correlator.tick(at(5_000)));
    let told: Vec<_> = records
        .iter()
        .map(|record| serde_json::to_value(record).expect("JSON"))
        .filter(|record| record["type"] == "response")
        .map(|record| record["path"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for path in ["/seen", "/unseen"] {
        assert!(told.contains(&path.to_owned()), "{told:?}");
    }
}

/// An agent that was away catches up with one log in one turn of its loop, and with the other in the
/// next, which may take a while on a busy host.
#[test]
fn the_other_log_is_waited_for_where_both_are_caught_up_with() {
    let noted = |milliseconds| {
        let note = Noted {
            class: error_log::named("rewrite_cycle").expect("a class"),
            level: error_log::Level::Error,
            errno: None,
            pid: 7,
            connection: None,
            request: Some(asked_for("/a")),
            client: Some("10.0.0.9".to_owned()),
            upstream: None,
            file: None,
            subrequest: None,
            words: None,
            rule: None,
        };
        fact(milliseconds, Event::Noted(Box::new(note)))
    };
    let sources = Sources {
        requests: true,
        messages: true,
        access_log: true,
        upstream_status: false,
        error_log: true,
    };
    for line_first in [true, false] {
        let mut correlator = correlator();
        correlator.fact(fact(60_000, Event::Sources(sources)));
        let mut both = [logged_for(50_000, "/a"), noted(50_000)];
        if !line_first {
            both.reverse();
        }
        let mut records = Vec::new();
        for (turn, fact) in both.into_iter().enumerate() {
            records.extend(correlator.fact(fact));
            records.extend(correlator.tick(at(61_000 + 1_000 * turn as u64)));
        }
        records.extend(correlator.tick(at(70_000)));
        let causes: Vec<_> = states(&records)
            .into_iter()
            .map(|(_, cause)| cause)
            .collect();
        assert_eq!(causes, ["redirect_cycle"], "line first: {line_first}");
    }
}

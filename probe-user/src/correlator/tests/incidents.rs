//! What becomes of an incident while it is open.

use super::*;
use crate::requests::{Answer, Attempt, End};

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

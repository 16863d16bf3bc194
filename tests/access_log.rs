//! Responses as the access log counts them, and what they add to an incident.

use std::time::Duration;

use anyhow::Result;
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::{Answer, Load, get};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::records::{about, is};
use nginx_probe_tests::wait::until_true;
use serde_json::Value;

#[test]
fn responses_are_counted_exactly_by_status() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    // "/none" is a 404: no failure, and yet a response.
    let paths = ["/ok", "/fail", "/", "/none", "/fail", "/ok"];
    let load = Load::start(nginx.port(), &paths, 600, Duration::from_mins(1));
    until_true("600 requests", Duration::from_mins(1), || {
        Ok(load.sent() == 600)
    })?;
    let counts = load.stop()?;
    assert_eq!(
        counts.statuses.into_iter().collect::<Vec<_>>(),
        [(200, 300), (404, 100), (500, 200)]
    );
    let instance = nginx.pid_file();
    for (code, expected) in [("200", 300), ("404", 100), ("500", 200)] {
        let labels = [
            ("nginx", &*instance.to_string_lossy()),
            ("code", code),
            ("seen_by", "log"),
        ];
        agent.wait_count("nginx_http_responses_total", &labels, expected)?;
    }
    let parsed = [("result", "parsed")];
    agent.wait_sample("nginx_probe_log_lines_total", &parsed, |count| {
        count >= 600.0
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn a_log_that_cannot_be_counted_is_named() -> Result<()> {
    let format = r#"$status|$request_time|"$request"|$upstream_status|$upstream_addr"#;
    let nginx = Nginx::builder().log_format(format).start()?;
    let mut agent = Agent::watch(&nginx)?;
    let log = nginx.access_log().display().to_string();
    agent.wait_stderr("the log and that it is not combined", |line| {
        line.contains(&log) && line.contains("not combined")
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn failed_responses_around_a_death_are_evidence() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    for _ in 0..7 {
        assert_eq!(get(nginx.port(), "/fail"), Answer::Status(500));
    }
    let _ = nginx.cause(Fault::Segv);
    for _ in 0..5 {
        assert_eq!(get(nginx.port(), "/fail"), Answer::Status(500));
    }
    let incident = agent.wait_for("the crash with twelve 5xx as evidence", |r| {
        is(r, "incident")
            && about(r, &nginx)
            && r["cause"] == "worker_crash"
            && logged_failures(r) == Some(12)
    })?;
    assert_ne!(incident["state"], "closed", "{incident}");
    agent.stop().map(|_| ())
}

/// How many 5xx the incident's evidence out of the access log counts.
fn logged_failures(incident: &Value) -> Option<u64> {
    incident["evidence"]
        .as_array()?
        .iter()
        .filter(|piece| piece["source"] == "access_log")
        .filter(|piece| {
            piece["what"]
                .as_str()
                .is_some_and(|w| w.contains("5xx") || w.contains("500"))
        })
        .map(|piece| piece["count"].as_u64())
        .sum()
}

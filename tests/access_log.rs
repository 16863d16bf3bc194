//! Responses as the access log counts them, and what they add to an incident.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::{Answer, Load, get};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::Signal;
use nginx_probe_tests::records::{about, is};
use nginx_probe_tests::wait::{DEADLINE, until_true};
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
fn a_log_is_read_in_whatever_format_it_has() -> Result<()> {
    let format = r#"$status|$request_time|"$request"|$upstream_status|$upstream_response_time"#;
    let nginx = Nginx::builder().log_format(format).start()?;
    let agent = Agent::watch(&nginx)?;
    for path in ["/ok", "/ok", "/fail", "/none"] {
        assert!(matches!(get(nginx.port(), path), Answer::Status(_)));
    }
    let instance = nginx.pid_file().display().to_string();
    let nginx = ("nginx", &*instance);
    for (code, count) in [("200", 2), ("500", 1), ("404", 1)] {
        let labels = [nginx, ("code", code), ("seen_by", "log")];
        agent.wait_count("nginx_http_responses_total", &labels, count)?;
    }
    agent.wait_count("nginx_http_request_duration_seconds_count", &[nginx], 4)?;
    agent.wait_count("nginx_http_upstream_duration_seconds_count", &[nginx], 3)?;
    agent.stop().map(|_| ())
}

#[test]
fn a_log_that_cannot_be_counted_is_named() -> Result<()> {
    let nginx = Nginx::builder()
        .log_format("$request_time $request")
        .start()?;
    let mut agent = Agent::watch(&nginx)?;
    let log = nginx.access_log().display().to_string();
    agent.wait_stderr("the log and what it lacks", |line| {
        line.contains(&log) && line.contains("has no $status")
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn an_agent_goes_on_where_the_one_before_it_was() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let state = tempfile::tempdir()?;
    let pid_file = nginx.pid_file().display().to_string();
    let folder = state.path().display().to_string();
    let arguments = ["--pid-file", &pid_file, "--state", &folder];
    let ask = |times| {
        for _ in 0..times {
            assert_eq!(get(nginx.port(), "/ok"), Answer::Status(200));
        }
    };
    let wait = |agent: &Agent, count| {
        let labels = [("nginx", &*pid_file), ("code", "200"), ("seen_by", "log")];
        agent.wait_count("nginx_http_responses_total", &labels, count)
    };
    let first = Agent::start(arguments)?;
    ask(10);
    wait(&first, 10)?;
    first.stop()?;
    // Nobody looks, and the log is rotated meanwhile.
    ask(7);
    std::fs::rename(
        nginx.access_log(),
        nginx.access_log().with_extension("log.1"),
    )?;
    nginx.signal(Signal::USR1)?;
    until_true("the log to be there again", DEADLINE, || {
        Ok(nginx.access_log().exists())
    })?;
    ask(4);
    let second = Agent::start(arguments)?;
    wait(&second, 11)?;
    ask(5);
    wait(&second, 16)?;
    second.stop().map(|_| ())
}

#[test]
fn a_log_that_was_quiet_is_remembered_too() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let state = tempfile::tempdir()?;
    let pid_file = nginx.pid_file().display().to_string();
    let folder = state.path().display().to_string();
    let arguments = ["--pid-file", &pid_file, "--state", &folder];
    Agent::start(arguments)?.stop()?;
    for _ in 0..3 {
        assert_eq!(get(nginx.port(), "/fail"), Answer::Status(500));
    }
    let agent = Agent::start(arguments)?;
    let labels = [("nginx", &*pid_file), ("code", "500"), ("seen_by", "log")];
    agent.wait_count("nginx_http_responses_total", &labels, 3)?;
    agent.stop().map(|_| ())
}

#[test]
fn a_request_in_two_logs_is_one_response() -> Result<()> {
    let nginx = Nginx::builder()
        .http("log_format short '$status'; access_log short.log short;")
        .start()?;
    let agent = Agent::watch(&nginx)?;
    let instance = nginx.pid_file().display().to_string();
    for round in 1..=2 {
        assert_eq!(get(nginx.port(), "/fail"), Answer::Status(500));
        let labels = [("nginx", &*instance), ("code", "500"), ("seen_by", "log")];
        agent.wait_count("nginx_http_responses_total", &labels, round)?;
        let [nginx, code, _] = labels;
        agent.wait_count("nginx_http_error_responses_total", &[nginx, code], round)?;
    }
    agent.stop().map(|_| ())
}

#[test]
fn the_command_line_overrules_the_configuration() -> Result<()> {
    let format = "$request_time $request $status";
    let nginx = Nginx::builder()
        .log_format("unread")
        .http(&format!(
            "log_format mine '{format}'; access_log other.log mine;"
        ))
        .start()?;
    let log = nginx.folder().join("other.log");
    let pid_file = nginx.pid_file().display().to_string();
    for given in ["mine", format] {
        let access = format!("{}={given}", log.display());
        let error = nginx.folder().join("error.log").display().to_string();
        let agent = Agent::start([
            "--pid-file",
            &pid_file,
            "--access-log",
            &access,
            "--error-log",
            &error,
        ])?;
        assert_eq!(get(nginx.port(), "/none"), Answer::Status(404));
        let labels = [("nginx", &*pid_file), ("code", "404"), ("seen_by", "log")];
        agent.wait_count("nginx_http_responses_total", &labels, 1)?;
        let labels = [("nginx", &*pid_file), ("class", "open_not_found")];
        agent.wait_count("nginx_error_log_messages_total", &labels, 1)?;
        agent.stop()?;
    }
    Ok(())
}

/// Two nginx that log `/shared` to one file, which is not there yet.
fn two_with_one_log(log: &std::path::Path) -> Result<[Nginx; 2]> {
    let location = format!(
        "location /shared {{ access_log {}; return 204; }}",
        log.display()
    );
    let start = || Nginx::builder().location(&location).start();
    let both = [start()?, start()?];
    std::fs::remove_file(log)?;
    Ok(both)
}

#[test]
fn a_log_of_two_nginx_that_appears_later_is_counted_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("shared.log");
    let both = two_with_one_log(&log)?;
    let [one, other] = both
        .each_ref()
        .map(|it| it.pid_file().display().to_string());
    let agent = Agent::start(["--pid-file", &one, "--pid-file", &other])?;
    for nginx in &both {
        nginx.signal(Signal::USR1)?;
    }
    until_true("the log to be there again", DEADLINE, || Ok(log.exists()))?;
    // A worker writes its line after the answer: only what the file holds is
    // compared, and it is read after the counters.
    let lines = || -> Result<u32> {
        let text = std::fs::read_to_string(&log)?;
        Ok(u32::try_from(text.lines().count())?)
    };
    let ask_both = || {
        for nginx in &both {
            assert_eq!(get(nginx.port(), "/shared"), Answer::Status(204));
        }
    };
    until_true("lines of both in it", DEADLINE, || {
        ask_both();
        Ok(lines()? >= 10)
    })?;
    let counted = || -> Result<f64> {
        let mut sum = 0.0;
        for nginx in [&one, &other] {
            let labels = [("nginx", &**nginx), ("code", "204"), ("seen_by", "log")];
            let sample = agent.sample("nginx_http_responses_total", &labels)?;
            sum += sample.unwrap_or_default();
        }
        Ok(sum)
    };
    until_true("every line", DEADLINE, || {
        Ok(counted()? >= f64::from(lines()?))
    })?;
    // What comes twice comes in the same looks.
    let before = lines()?;
    ask_both();
    until_true("two more", DEADLINE, || {
        Ok(lines()? >= before + 2 && counted()? >= f64::from(lines()?))
    })?;
    let (counted, lines) = (counted()?, lines()?);
    assert!(counted <= f64::from(lines), "{counted} of {lines} lines");
    agent.stop().map(|_| ())
}

#[test]
fn logs_that_are_named_need_no_nginx() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let name = |name: &str| folder.path().join(name).display().to_string();
    let (pid_file, access, error) = (name("nginx.pid"), name("access.log"), name("error.log"));
    for (more, instance) in [
        (&["--pid-file", &pid_file][..], &*pid_file),
        (&[], "unknown"),
    ] {
        for log in [&access, &error] {
            std::fs::write(log, "")?;
        }
        let named = [
            "--no-kernel",
            "--access-log",
            &access,
            "--error-log",
            &error,
        ];
        // Every nginx of the host would do as an instance.
        let alone = ["--name", "no-such-nginx"];
        let agent = Agent::start(named.iter().chain(&alone).chain(more))?;
        let line = r#"1.2.3.4 - - [01/Jan/2026:00:00:01 +0000] "GET / HTTP/1.1" 502 5 "-" "x""#;
        append(&access, line)?;
        let line = "2026/01/02 03:04:06 [crit] 8#8: accept4() failed (24: Too many open files)";
        append(&error, line)?;
        let labels = [("nginx", instance), ("code", "502")];
        agent.wait_count("nginx_http_responses_total", &labels, 1)?;
        let labels = [("nginx", instance), ("class", "accept_no_fds")];
        agent.wait_count("nginx_error_log_messages_total", &labels, 1)?;
        agent.stop()?;
    }
    Ok(())
}

fn append(path: &str, line: &str) -> Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
    Ok(writeln!(file, "{line}")?)
}

#[test]
fn a_source_is_up_while_a_log_of_its_kind_is_followed() -> Result<()> {
    // Without a status there is nothing to count.
    let nginx = Nginx::builder().log_format("$request_time").start()?;
    let mut agent = Agent::watch(&nginx)?;
    let up = |source, expected| {
        agent.wait_count("nginx_probe_source_up", &[("source", source)], expected)
    };
    up("access_log", 0)?;
    up("error_log", 1)?;
    agent.wait_stderr("why", |line| line.contains("no access log is followed"))?;
    agent.stop().map(|_| ())
}

#[test]
fn two_agents_do_not_write_one_state() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let state = tempfile::tempdir()?;
    let pid_file = nginx.pid_file().display().to_string();
    let folder = state.path().display().to_string();
    let arguments = ["--pid-file", &pid_file, "--state", &folder];
    let labels = [("nginx", &*pid_file), ("code", "200"), ("seen_by", "log")];
    let first = Agent::start(arguments)?;
    let mut second = Agent::start(arguments)?;
    second.wait_stderr("the lock", |line| {
        line.contains(&folder) && line.contains("another agent")
    })?;
    assert_eq!(get(nginx.port(), "/ok"), Answer::Status(200));
    for agent in [&first, &second] {
        agent.wait_count("nginx_http_responses_total", &labels, 1)?;
    }
    // The old one of an upgrade ends, and the new one goes on with the state.
    first.stop()?;
    second.wait_stderr("the lock to be had", |line| {
        line.contains("kept from now on")
    })?;
    assert_eq!(get(nginx.port(), "/ok"), Answer::Status(200));
    second.wait_count("nginx_http_responses_total", &labels, 2)?;
    second.stop()?;
    assert_eq!(get(nginx.port(), "/ok"), Answer::Status(200));
    let third = Agent::start(arguments)?;
    third.wait_count("nginx_http_responses_total", &labels, 1)?;
    third.stop().map(|_| ())
}

#[test]
fn failed_responses_around_a_death_that_nothing_explains_are_evidence() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let pid_file = nginx.pid_file().display().to_string();
    let agent = Agent::start(["--pid-file", &pid_file, "--follow=none"])?;
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

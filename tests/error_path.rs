//! What nginx's own functions tell of the answers that it makes itself, with no log of them.

#[path = "error_path/refused.rs"]
mod refused;
#[path = "error_path/stage.rs"]
mod stage;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, ensure};
use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::bpf;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::records::is;
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

use stage::{FAILURES, Stage, connect, get, get_by_http2, links_of, tls_client};

const FAILED: &str = "nginx_http_error_responses_total";

fn watch(nginx: &Nginx, more: &[&str]) -> Result<Agent> {
    let pid_file = nginx.pid_file().display().to_string();
    Agent::start(["--pid-file", &pid_file, "--no-logs"].iter().chain(more))
}

/// Waits until every failure of the list was counted so often, and nothing else was. Of a request
/// that nobody can read it is not known where the configuration has it answered.
fn wait_failures(agent: &Agent, times: u32, readable: bool) -> Result<()> {
    for (_, code, cause) in FAILURES {
        let cause = match *cause {
            "config_response" if !readable => "unknown",
            cause => cause,
        };
        let labels = [("code", &*code.to_string()), ("cause", cause)];
        agent.wait_count(FAILED, &labels, times)?;
    }
    let all = u32::try_from(FAILURES.len())? * times;
    agent.wait_count(FAILED, &[], all)
}

#[test]
fn answers_without_any_log_have_their_cause() -> Result<()> {
    let stage = Stage::start()?;
    let nginx = &stage.nginx;
    let agent = watch(nginx, &["--responses"])?;
    ensure!(
        get(nginx.port(), "/limited")? == 404,
        "the first is let through"
    );
    for (path, status, cause) in FAILURES {
        ensure!(get(nginx.port(), path)? == *status, "{path}");
        let response = agent.wait_for(&format!("the response to {path}"), |r| {
            is(r, "response") && r["path"] == *path
        })?;
        assert_eq!(response["cause"], *cause, "{response}");
    }
    wait_failures(&agent, 1, true)?;
    for (class, level) in [
        ("rewrite_cycle", "error"),
        ("named_location_missing", "error"),
        ("open_denied_needed", "crit"),
        ("limit_req_refused", "error"),
        ("lua_aborted", "error"),
        ("auth_request_status", "error"),
    ] {
        let labels = [("class", class), ("level", level)];
        agent.wait_count("nginx_error_log_messages_total", &labels, 1)?;
    }
    agent.stop().map(|_| ())
}

#[test]
fn answers_through_tls_and_http2_are_seen_once() -> Result<()> {
    let stage = Stage::start()?;
    let client = tls_client(stage.tls)?;
    let agent = watch(&stage.nginx, &[])?;
    let through_tls = |path: &str| get(client.port(), &format!("/tls{path}"));
    ensure!(through_tls("/limited")? == 404, "the first is let through");
    for (path, status, _) in FAILURES {
        ensure!(through_tls(path)? == *status, "{path}");
    }
    // A page with a status of its own, and a subrequest that is no client's: nothing failed.
    for path in ["/saved", "/mirrored"] {
        ensure!(through_tls(path)? == 200, "{path}");
    }
    wait_failures(&agent, 1, false)?;
    let paths: Vec<_> = FAILURES.iter().map(|(path, ..)| *path).collect();
    get_by_http2(stage.http2, &[&*paths, &["/saved", "/mirrored"]].concat())?;
    wait_failures(&agent, 2, false)?;
    agent.stop().map(|_| ())
}

#[test]
fn slots_that_are_missing_for_an_upstream_are_the_cause() -> Result<()> {
    // It takes connections and never answers: each request has two slots.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let upstream = silent.local_addr()?;
    let nginx = Nginx::builder()
        .workers(1)
        .location(&format!(
            "location = /hang {{ proxy_pass http://{upstream}; }}"
        ))
        .start()?;
    let agent = watch(&nginx, &["--responses"])?;
    let refused = |r: &Value| is(r, "response") && r["status"] == 500;
    let ask = "GET /hang HTTP/1.1\r\nHost: x\r\n";
    // A request that was begun keeps its slot.
    let mut last = connect(nginx.port())?;
    last.write_all(ask.as_bytes())?;
    let mut held = Vec::new();
    until_true("no slot to be left", DEADLINE, || {
        let mut stream = connect(nginx.port())?;
        // With one slot left it is the client's; with none nginx closes the connection.
        let _ = write!(stream, "{ask}\r\n");
        held.push(stream);
        let full = agent.sample("nginx_accepts_dropped_total", &[])? >= Some(1.0);
        Ok(full || agent.records().iter().any(refused))
    })?;
    last.write_all(b"\r\n")?;
    let response = agent.wait_for("a response for want of a slot", refused)?;
    assert_eq!(response["cause"], "worker_connections", "{response}");
    agent.stop().map(|_| ())
}

#[test]
fn an_nginx_that_comes_later_is_watched_until_it_ends() -> Result<()> {
    let mut stage = Stage::start()?;
    stage.nginx.quit()?;
    let agent = watch(&stage.nginx, &[])?;
    assert_eq!(links_of(agent.pid())?, 0);
    stage.nginx.start_again()?;
    let watched = until_true("links to the new nginx", DEADLINE, || {
        Ok(links_of(agent.pid())? == 2)
    });
    agent.explain(watched)?;
    ensure!(get(stage.nginx.port(), "/cycle")? == 500, "a cycle");
    agent.wait_count(FAILED, &[("cause", "redirect_cycle")], 1)?;
    stage.nginx.quit()?;
    until_true("no link any more", DEADLINE, || {
        Ok(links_of(agent.pid())? == 0)
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn an_nginx_in_a_container_is_watched() -> Result<()> {
    let stage = Stage::with(Nginx::builder().own_namespaces())?;
    let agent = watch(&stage.nginx, &[])?;
    assert_eq!(links_of(agent.pid())?, 2);
    ensure!(get(stage.nginx.port(), "/cycle")? == 500, "a cycle");
    agent.wait_count(FAILED, &[("cause", "redirect_cycle")], 1)?;
    agent.stop().map(|_| ())
}

#[test]
fn nothing_stays_in_the_kernel_when_the_agent_is_killed() -> Result<()> {
    let stage = Stage::start()?;
    let agent = watch(&stage.nginx, &[])?;
    let programs = bpf::programs_of(agent.pid())?;
    let watching = loaded_programs()
        .flatten()
        .filter(|program| programs.contains(&program.id()))
        .filter(|program| program.name().starts_with(b"error_path"));
    ensure!(watching.count() == 2, "both functions are watched");
    assert_eq!(links_of(agent.pid())?, 2);
    agent.kill9()?;
    bpf::ensure_gone(&programs)?;
    ensure!(get(stage.nginx.port(), "/cycle")? == 500, "it still serves");
    Ok(())
}

#[test]
fn links_go_with_the_last_master_of_a_binary() -> Result<()> {
    let (mut one, mut other) = (Stage::start()?, Stage::start()?);
    let files = [one.nginx.pid_file(), other.nginx.pid_file()];
    let [first, second] = files.map(|file| file.display().to_string());
    let agent = Agent::start(["--no-logs", "--pid-file", &first, "--pid-file", &second])?;
    assert_eq!(links_of(agent.pid())?, 2, "one binary, two functions");
    one.nginx.quit()?;
    agent.wait_for("the end of one master", |r| is(r, "master_exit"))?;
    assert_eq!(links_of(agent.pid())?, 2);
    other.nginx.quit()?;
    until_true("no link when no master is left", DEADLINE, || {
        Ok(links_of(agent.pid())? == 0)
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn a_talkative_log_is_left_alone() -> Result<()> {
    let nginx = Nginx::builder().workers(1).log_level("info").start()?;
    let mut agent = watch(&nginx, &["--log-level", "info"])?;
    agent.wait_stderr("why messages are not looked at", |line| {
        line.contains("error_log of level info")
    })?;
    assert_eq!(
        links_of(agent.pid())?,
        1,
        "answers are watched all the same"
    );
    assert_eq!(
        agent.sample("nginx_probe_source_up", &[("source", "error_path")])?,
        Some(1.0)
    );
    agent.stop().map(|_| ())
}

#[test]
fn the_flag_turns_it_off() -> Result<()> {
    let stage = Stage::start()?;
    let agent = watch(&stage.nginx, &["--no-uprobes"])?;
    assert_eq!(links_of(agent.pid())?, 0);
    assert_eq!(
        agent.sample("nginx_probe_source_up", &[("source", "error_path")])?,
        Some(0.0)
    );
    ensure!(get(stage.nginx.port(), "/cycle")? == 500, "a cycle");
    agent.wait_count(FAILED, &[("code", "500"), ("cause", "unknown")], 1)?;
    agent.stop().map(|_| ())
}

#[test]
fn a_message_in_a_log_that_is_read_is_counted_once() -> Result<()> {
    let nginx = Nginx::builder()
        .workers(1)
        .location("location = /cycle { rewrite ^ /cycle; }")
        .start()?;
    let agent = Agent::watch(&nginx)?;
    for _ in 0..3 {
        ensure!(get(nginx.port(), "/cycle")? == 500, "a cycle");
    }
    let labels = [("class", "rewrite_cycle")];
    agent.wait_count("nginx_error_log_messages_total", &labels, 3)?;
    agent.wait_count(FAILED, &[("cause", "redirect_cycle")], 3)?;
    // Messages are counted at the end of each second: the next one shows that those had their turn.
    ensure!(get(nginx.port(), "/cycle")? == 500, "a cycle");
    agent.wait_count("nginx_error_log_messages_total", &labels, 4)?;
    agent.stop().map(|_| ())
}

#[test]
fn nothing_runs_where_nothing_fails() -> Result<()> {
    let _counting = enable_stats(Stats::RunTime)?;
    let stage = Stage::start()?;
    let agent = watch(&stage.nginx, &[])?;
    let programs = bpf::programs_of(agent.pid())?;
    let runs = || -> u64 {
        loaded_programs()
            .flatten()
            .filter(|program| programs.contains(&program.id()))
            .filter(|program| program.name().starts_with(b"error_path"))
            .map(|program| program.run_count())
            .sum()
    };
    // Other tests' nginx run the same file: their failures run the programs too, and end early.
    let before = runs();
    for _ in 0..200 {
        ensure!(get(stage.nginx.port(), "/ok")? == 200, "nothing fails");
    }
    let quiet = runs() - before;
    ensure!(get(stage.nginx.port(), "/cycle")? == 500, "a cycle");
    ensure!(runs() >= before + quiet + 2, "a failure runs both");
    ensure!(
        quiet < 100,
        "{quiet} runs for 200 answers that are none of nginx's own"
    );
    agent.stop().map(|_| ())
}

//! What came of a reload, where a fork or a death beside it could mislead.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, children, signal, wait_gone};
use nginx_probe_tests::records::{is, is_exit, opens, pid};
use nginx_probe_tests::wait::{DEADLINE, until};

#[test]
fn a_command_that_a_refused_configuration_runs_is_no_reload() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    nginx.run_in_config("os.execute('true'); error('refused')")?;
    nginx.signal(Signal::HUP)?;
    let reload = agent.wait_for("what came of the reload", |r| is(r, "reload"))?;
    assert_eq!(reload["result"], "failed", "{reload}");
    agent.wait_count("nginx_workers", &[], 2)?;
    agent.stop().map(|_| ())
}

#[test]
fn a_worker_that_dies_while_the_configuration_is_read_does_not_hide_the_reload() -> Result<()> {
    let nginx = Nginx::builder().workers(1).start()?;
    let agent = Agent::watch(&nginx)?;
    let (master, old) = (nginx.master()?, nginx.workers()?);
    let old = *old.first().context("a worker")?;
    nginx.run_in_config("os.execute('sleep 0.5')")?;
    nginx.signal(Signal::HUP)?;
    until("the configuration to be read", DEADLINE, || {
        Ok(children(master)
            .into_iter()
            .find(|child| child.title.contains("sleep")))
    })?;
    signal(old, Signal::KILL)?;
    agent.wait_for("the death", |r| is_exit(r, "killed") && pid(r) == Some(old))?;
    let reload = agent.wait_for("what came of the reload", |r| is(r, "reload"))?;
    assert_eq!(reload["result"], "ok", "{reload}");
    agent.wait_count("nginx_workers", &[], 1)?;
    agent.wait_count("nginx_workers_draining", &[], 0)?;
    let records = agent.stop()?;
    assert!(!records.iter().any(|r| opens(r, "reload_failed")));
    Ok(())
}

#[test]
fn a_refused_reload_says_what_the_error_log_has_of_it() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    nginx.break_config()?;
    nginx.signal(Signal::HUP)?;
    let file = nginx.config_file().display().to_string();
    agent.wait_for("the incident with nginx's own words", |r| {
        let evidence = r["evidence"].as_array();
        r["cause"] == "reload_failed"
            && r["summary"].as_str().is_some_and(|s| s.contains(&file))
            && evidence.is_some_and(|pieces| {
                pieces.iter().any(|piece| {
                    let what = piece["what"].as_str().unwrap_or_default();
                    piece["source"] == "error_log" && what.contains(&file)
                })
            })
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn a_test_of_a_bad_configuration_is_no_failed_reload() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    nginx.break_config()?;
    assert!(!nginx.test_config()?.success());
    let labels = [("class", "config_refused")];
    agent.wait_count("nginx_error_log_messages_total", &labels, 1)?;
    let records = agent.stop()?;
    assert!(!records.iter().any(|r| is(r, "incident")), "{records:?}");
    Ok(())
}

#[test]
fn without_the_kernel_half_proc_tells_of_a_reload() -> Result<()> {
    for workers in [1, 3] {
        let nginx = Nginx::builder().workers(workers).start()?;
        let pid_file = nginx.pid_file().display().to_string();
        let agent = Agent::start(["--no-kernel", "--pid-file", &pid_file])?;
        let count = u32::from(workers);
        agent.wait_count("nginx_workers", &[], count)?;

        let killed = nginx.workers()?;
        for worker in &killed {
            signal(*worker, Signal::KILL)?;
            wait_gone(*worker, DEADLINE)?;
        }
        nginx.wait_replaced(&killed)?;
        for worker in nginx.workers()? {
            agent.wait_for("the start of each new worker", |r| {
                is(r, "worker_start") && pid(r) == Some(worker)
            })?;
        }
        agent.wait_count("nginx_workers", &[], count)?;
        assert!(!agent.records().iter().any(|r| is(r, "reload")));

        // A log, and a format, that only the new configuration has.
        let text = fs::read_to_string(nginx.config_file())?;
        let new = text
            .replace("access.log\" combined;", "new.log\" new;")
            .replacen("http {", "http { log_format new 'n $status';", 1);
        ensure!(new != text, "another configuration: {text}");
        fs::write(nginx.config_file(), new)?;
        nginx.reload()?;
        let reload = agent.wait_for("the reload", |r| is(r, "reload"))?;
        assert_eq!(reload["result"], "ok", "{reload}");
        assert_eq!(reload["generation"], 2, "{reload}");
        agent.wait_count("nginx_workers", &[], count)?;
        agent.wait_count("nginx_workers_draining", &[], 0)?;
        for worker in nginx.workers()? {
            let start = agent.wait_for("a start of the new generation", |r| {
                is(r, "worker_start") && pid(r) == Some(worker)
            })?;
            assert_eq!(start["generation"], 2, "{start}");
        }
        assert_eq!(get(nginx.port(), "/none"), Answer::Status(404));
        agent.wait_count("nginx_http_responses_total", &[("code", "404")], 1)?;
        let records = agent.stop()?;
        let reloads = records.iter().filter(|r| is(r, "reload")).count();
        assert_eq!(reloads, 1, "{records:?}");
        assert!(!records.iter().any(|r| is(r, "worker_exit")), "{records:?}");
    }
    Ok(())
}

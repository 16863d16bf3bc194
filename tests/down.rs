//! An nginx that serves no more: stopped, killed, started in vain, or without a master before the agent came.

use std::fs;
use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::command::{command, finish};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal, wait_gone};
use nginx_probe_tests::records::{is, is_exit, opens};
use nginx_probe_tests::tools::Tools;
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

/// No incident is among records.
fn ensure_quiet(records: &[Value]) -> Result<()> {
    let incidents: Vec<_> = records.iter().filter(|r| is(r, "incident")).collect();
    ensure!(incidents.is_empty(), "{incidents:#?}");
    Ok(())
}

/// Whether an incident says something in its summary or in a piece of its evidence.
fn says(incident: &Value, what: &str) -> bool {
    incident["summary"]
        .as_str()
        .is_some_and(|it| it.contains(what))
        || incident["evidence"].to_string().contains(what)
}

#[test]
fn a_stop_is_a_record_and_no_incident() -> Result<()> {
    for how in [Signal::QUIT, Signal::TERM] {
        let mut nginx = Nginx::builder().start()?;
        let agent = Agent::watch(&nginx)?;
        nginx.signal(how)?;
        let exit = agent.wait_for("the master's end", |r| is(r, "master_exit"))?;
        assert_eq!(exit["detail"], "stopped", "{exit}");
        assert!(exit["sender"]["comm"].is_string(), "{exit}");
        until_true("its end", DEADLINE, || Ok(nginx.workers().is_err()))?;
        nginx.start_again()?;
        agent.wait_for("a worker of the new one", |r| {
            is(r, "worker_start") && r["time"].as_str() > exit["time"].as_str()
        })?;
        ensure_quiet(&agent.stop()?)?;
    }
    Ok(())
}

#[test]
fn all_of_nginx_killed_is_one_incident_until_it_serves_again() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let (master, workers) = (nginx.master()?, nginx.workers()?);
    signal(master, Signal::KILL)?;
    for worker in &workers {
        signal(*worker, Signal::KILL)?;
    }
    let down = agent.wait_for("that it is down", |r| opens(r, "nginx_down"))?;
    assert_eq!(down["detail"], "killed", "{down}");
    assert_eq!(down["confidence"], "confirmed", "{down}");
    wait_gone(master, DEADLINE)?;
    nginx.start_again()?;
    agent.wait_for("its end", |r| {
        is(r, "incident") && r["cause"] == "nginx_down" && r["state"] == "closed"
    })?;
    let records = agent.stop()?;
    let incidents = records.iter().filter(|r| is(r, "incident"));
    ensure!(
        incidents.clone().all(|r| r["cause"] == "nginx_down"),
        "the deaths are one event: {:#?}",
        incidents.collect::<Vec<_>>()
    );
    ensure!(
        records.iter().filter(|r| is_exit(r, "killed")).count() == workers.len(),
        "each worker's death has its record"
    );
    Ok(())
}

#[test]
fn a_start_that_fails_after_a_stop_is_an_incident_with_nginxs_own_words() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let mut start = nginx.command_line();
    nginx.quit()?;
    nginx.break_config()?;
    ensure!(!start.status().context("nginx")?.success(), "it is refused");
    let down = agent.wait_for("that it is down", |r| {
        is(r, "incident") && r["cause"] == "nginx_down" && says(r, "no_such_directive")
    })?;
    assert_eq!(down["detail"], "failed_start", "{down}");
    nginx.mend_config()?;
    nginx.start_again()?;
    agent.wait_for("its end", |r| {
        is(r, "incident") && r["cause"] == "nginx_down" && r["state"] == "closed"
    })?;
    agent.stop().map(|_| ())
}

#[test]
fn a_start_that_finds_its_port_taken_says_so() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let mut start = nginx.command_line();
    nginx.quit()?;
    let taken = TcpListener::bind(("127.0.0.1", nginx.port()))?;
    ensure!(!start.status().context("nginx")?.success(), "it is refused");
    let down = agent.wait_for("that it is down", |r| {
        is(r, "incident") && r["cause"] == "nginx_down" && says(r, "bind() to")
    })?;
    assert_eq!(down["detail"], "failed_start", "{down}");
    drop(taken);
    agent.stop().map(|_| ())
}

#[test]
fn the_first_process_of_a_container_takes_all_with_it() -> Result<()> {
    let nginx = Nginx::builder().own_namespaces().start()?;
    let agent = Agent::watch(&nginx)?;
    signal(nginx.master()?, Signal::KILL)?;
    let down = agent.wait_for("that it is down", |r| opens(r, "nginx_down"))?;
    assert_eq!(down["detail"], "killed", "{down}");
    let records = agent.stop()?;
    let incidents: Vec<_> = records.iter().filter(|r| is(r, "incident")).collect();
    ensure!(
        incidents.iter().all(|r| r["cause"] == "nginx_down"),
        "{incidents:#?}"
    );
    Ok(())
}

#[test]
fn a_reload_command_that_is_refused_is_seen_without_a_signal() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let before = nginx.workers()?;
    nginx.break_config()?;
    let mut reload = nginx.command_line();
    let status = reload.args(["-s", "reload"]).status().context("nginx")?;
    ensure!(!status.success(), "it is refused");
    let failed = agent.wait_for("a failed reload", |r| is(r, "reload"))?;
    assert_eq!(failed["result"], "failed", "{failed}");
    assert_eq!(failed["detail"], "refused_before_signal", "{failed}");
    let incident = agent.wait_for("its incident, with the reason", |r| {
        is(r, "incident") && r["cause"] == "reload_failed" && says(r, "no_such_directive")
    })?;
    assert_eq!(incident["detail"], "refused_before_signal", "{incident}");
    assert_eq!(nginx.workers()?, before);
    agent.stop().map(|_| ())
}

#[test]
fn a_reload_command_that_finds_no_pid_file_refuses_no_configuration() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let pid = fs::read_to_string(nginx.pid_file())?;
    fs::remove_file(nginx.pid_file())?;
    let mut reload = nginx.command_line();
    let status = reload.args(["-s", "reload"]).status().context("nginx")?;
    fs::write(nginx.pid_file(), pid)?;
    ensure!(!status.success(), "it finds no master");
    let incident = agent.wait_for("its incident", |r| opens(r, "reload_failed"))?;
    assert_eq!(incident["detail"], "refused_before_signal", "{incident}");
    ensure!(
        !says(&incident, "configuration was refused"),
        "no configuration was: {incident}"
    );
    agent.stop().map(|_| ())
}

#[test]
fn tests_of_a_configuration_are_no_incident() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let other = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    nginx.break_config()?;
    ensure!(!nginx.test_config()?.success(), "it is refused");
    // Another nginx's failed commands are not this one's.
    other.break_config()?;
    let mut reload = other.command_line();
    ensure!(!reload.args(["-s", "reload"]).status()?.success());
    ensure!(!other.command_line().status()?.success());
    nginx.mend_config()?;
    nginx.reload()?;
    agent.wait_for("the reload", |r| is(r, "reload") && r["result"] == "ok")?;
    ensure_quiet(&agent.stop()?)
}

#[test]
fn a_master_that_died_before_the_agent_came_left_orphans() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let orphans = nginx.kill_master()?;
    let agent = Agent::watch(&nginx)?;
    let died = agent.wait_for("that the master is gone", |r| opens(r, "master_died"))?;
    assert_eq!(
        died["instance"],
        nginx.pid_file().display().to_string(),
        "{died}"
    );
    ensure!(says(&died, &format!("{} workers", orphans.len())), "{died}");
    let told = agent.told();
    ensure!(!told.contains("no nginx is running"), "{told}");
    let mut doctor = command()?;
    doctor.args(["doctor", "--pid-file"]).arg(nginx.pid_file());
    let said = finish(&mut doctor, DEADLINE)?.stdout;
    ensure!(said.contains("workers serve on"), "{said}");
    let mut diagnose = command()?;
    diagnose
        .args(["diagnose", "--duration", "3s", "--pid-file"])
        .arg(nginx.pid_file());
    let page = finish(&mut diagnose, DEADLINE)?;
    ensure!(page.code == Some(1), "{page:?}");
    ensure!(page.stdout.contains("master_died"), "{page:?}");
    agent.stop().map(|_| ())
}

#[test]
fn an_nginx_without_a_master_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let conf = folder.path().join("nginx.conf");
    fs::write(
        &conf,
        format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;\n\
             events {{}}\n",
            folder.path().display()
        ),
    )?;
    let tools = Tools::find()?;
    let mut nginx = std::process::Command::new(tools.nginx())
        .args([
            "-p".as_ref(),
            folder.path().as_os_str(),
            "-c".as_ref(),
            conf.as_os_str(),
        ])
        .env("LD_LIBRARY_PATH", tools.library_path())
        .spawn()?;
    let pid = nginx.id().to_string();
    let outcome = (|| {
        until_true("its pid file", DEADLINE, || {
            Ok(folder.path().join("pid").exists())
        })?;
        let mut agent = Agent::spawn(["--master", &pid])?;
        agent.wait_stderr("its name", |line| {
            line.contains(&pid) && line.contains("master_process off")
        })
    })();
    nginx.kill()?;
    nginx.wait()?;
    outcome
}

//! Deaths by a signal: where it crashed, or who sent it.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::records::{about, is_exit, opens, pid, wait_agreement};
use serde_json::{Value, json};

#[test]
fn a_segmentation_fault_in_nginx_names_the_function() -> Result<()> {
    let crash = crash(Fault::Segv)?;
    assert_eq!(crash["signal"], "SIGSEGV", "{crash}");
    assert_eq!(file_name(&crash["crash"]["module"])?, "nginx", "{crash}");
    assert_eq!(crash["crash"]["symbol"], "ngx_http_free_request", "{crash}");
    ensure_located(&crash)
}

#[test]
fn a_segmentation_fault_in_a_library_names_the_library() -> Result<()> {
    let crash = crash(Fault::WildWrite)?;
    assert_eq!(crash["signal"], "SIGSEGV", "{crash}");
    assert!(
        file_name(&crash["crash"]["module"])?.starts_with("libc"),
        "{crash}"
    );
    ensure_located(&crash)
}

#[test]
fn an_abort_is_a_crash() -> Result<()> {
    let crash = crash(Fault::Abort)?;
    assert_eq!(crash["signal"], "SIGABRT", "{crash}");
    assert_eq!(crash["exit_code"], Value::Null, "{crash}");
    Ok(())
}

#[test]
fn a_kill_names_its_sender() -> Result<()> {
    let (exit, sender) = kill("-KILL")?;
    assert_eq!(exit["signal"], "SIGKILL", "{exit}");
    assert_eq!(
        exit["sender"],
        json!({"pid": sender, "uid": 0, "comm": "sh"}),
        "{exit}"
    );
    Ok(())
}

#[test]
fn a_segmentation_fault_that_was_sent_is_no_crash() -> Result<()> {
    let (exit, sender) = kill("-SEGV")?;
    assert_eq!(exit["signal"], "SIGSEGV", "{exit}");
    assert_eq!(
        exit["sender"],
        json!({"pid": sender, "uid": 0, "comm": "sh"}),
        "{exit}"
    );
    assert_eq!(exit["crash"], Value::Null, "{exit}");
    Ok(())
}

/// Has a worker crash, and gives the record of it once everything else about it is as it ought to be.
fn crash(fault: Fault) -> Result<Value> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let before = nginx.workers()?;
    let _ = nginx.cause(fault);
    let exit = agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    assert!(
        pid(&exit).is_some_and(|pid| before.contains(&pid)),
        "{exit} {before:?}"
    );
    assert!(about(&exit, &nginx), "{exit}");
    assert_eq!(exit["sender"], Value::Null, "{exit}");
    assert_eq!(exit["memory"], Value::Null, "{exit}");
    agent.wait_for("the incident", |r| {
        opens(r, "worker_crash") && about(r, &nginx)
    })?;
    let signal = exit["signal"].as_str().unwrap_or_default();
    ensure_counted(&agent, &nginx, "crash", signal)?;
    wait_agreement(&agent, &nginx)?;
    agent.stop()?;
    Ok(exit)
}

/// Sends a worker a signal from a shell: the record of the death, and the shell's process id.
fn kill(flag: &str) -> Result<(Value, u32)> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let worker = nginx.workers()?[0];
    // The shell's own `kill`: the program of that name is not on every Debian.
    let mut killer = Command::new("sh")
        .args(["-c", &format!("kill {flag} {worker}")])
        .stdin(Stdio::null())
        .spawn()
        .context("running sh")?;
    let sender = killer.id();
    ensure!(killer.wait()?.success(), "kill {flag} {worker} failed");
    let exit = agent.wait_for("the kill", |r| is_exit(r, "killed"))?;
    assert_eq!(pid(&exit), Some(worker), "{exit}");
    assert!(about(&exit, &nginx), "{exit}");
    agent.wait_for("the incident", |r| {
        opens(r, "worker_killed") && about(r, &nginx)
    })?;
    let signal = exit["signal"].as_str().unwrap_or_default();
    ensure_counted(&agent, &nginx, "killed", signal)?;
    wait_agreement(&agent, &nginx)?;
    agent.stop()?;
    Ok((exit, sender))
}

fn ensure_counted(agent: &Agent, nginx: &Nginx, reason: &str, signal: &str) -> Result<()> {
    let instance = nginx.pid_file();
    let nginx = ("nginx", &*instance.to_string_lossy());
    let labels = [
        nginx,
        ("role", "worker"),
        ("reason", reason),
        ("signal", signal),
    ];
    agent.wait_count("nginx_worker_exits_total", &labels, 1)?;
    agent.wait_count("nginx_worker_exits_total", &[nginx], 1)
}

/// The crash has an address, an existing module and a stack.
fn ensure_located(exit: &Value) -> Result<()> {
    let crash = &exit["crash"];
    ensure!(!crash["address"].is_null(), "no address: {exit}");
    ensure!(!crash["offset"].is_null(), "no offset: {exit}");
    ensure!(
        crash["stack"]
            .as_array()
            .is_some_and(|stack| !stack.is_empty()),
        "no stack: {exit}"
    );
    let module = crash["module"].as_str().context("no module")?;
    ensure!(
        fs::metadata(module).is_ok_and(|file| file.is_file()),
        "no such module: {exit}"
    );
    Ok(())
}

fn file_name(module: &Value) -> Result<&str> {
    module
        .as_str()
        .and_then(|path| path.rsplit('/').next())
        .context("the crash has no module")
}

//! Births, deaths, generations: reloads, upgrades, stops and what goes wrong with them.

#[path = "lifecycle/deaths.rs"]
mod deaths;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::bpf;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::Load;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal, wait_gone};
use nginx_probe_tests::records::{
    Watch, about, is, is_exit, opens, pid, wait_agreement, wait_worker, workers,
};
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

#[test]
fn ten_reloads_under_load_are_graceful() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let watch = Watch::start(nginx.master()?);
    let load = Load::start(nginx.port(), &["/ok", "/"], 20_000, Duration::from_mins(1));
    for _ in 0..10 {
        let sent = load.sent();
        nginx.reload()?;
        until_true("requests between reloads", DEADLINE, || {
            Ok(load.sent() > sent + 10)
        })?;
    }
    let counts = load.stop()?;
    assert!(counts.statuses.keys().eq([&200]), "{counts:?}");

    agent.wait_until("ten reloads and twenty deaths", DEADLINE, |records| {
        let reloads = records.iter().filter(|r| is(r, "reload")).count();
        let exits = records.iter().filter(|r| is(r, "worker_exit")).count();
        (reloads >= 10 && exits >= 20).then_some(())
    })?;
    wait_agreement(&agent, &nginx)?;
    agent.wait_count("nginx_reloads_total", &[("result", "ok")], 10)?;
    let seen = watch.finish()?;
    let records = agent.stop()?;
    let known: BTreeSet<u32> = workers(&records, &nginx).into_keys().collect();
    assert!(
        seen.is_subset(&known),
        "in /proc but in no record: {:?}",
        &seen - &known
    );
    ensure_quiet(&records)?;
    let reloads: Vec<&Value> = records.iter().filter(|r| is(r, "reload")).collect();
    assert_eq!(reloads.len(), 10);
    for pair in reloads.windows(2) {
        assert!(
            pair[0]["generation"].as_u64() < pair[1]["generation"].as_u64(),
            "{pair:?}"
        );
    }
    for reload in reloads {
        assert_eq!(reload["result"], "ok");
        let started = records.iter().filter(|r| {
            is(r, "worker_start")
                && r["generation"] == reload["generation"]
                && r["role"] == "worker"
        });
        assert_eq!(
            started.count(),
            2,
            "two workers start in the generation of {reload}"
        );
    }
    Ok(())
}

#[test]
fn a_refused_configuration_is_a_failed_reload() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let before = nginx.workers()?;
    nginx.break_config()?;
    nginx.signal(Signal::HUP)?;
    agent.wait_for("a failed reload", |r| {
        is(r, "reload") && r["result"] == "failed"
    })?;
    agent.wait_for("its incident", |r| opens(r, "reload_failed"))?;
    assert_eq!(nginx.workers()?, before);
    wait_agreement(&agent, &nginx)?;
    let records = agent.stop()?;
    assert!(
        !records
            .iter()
            .any(|r| is(r, "worker_exit") || r["result"] == "ok"),
        "{records:?}"
    );
    Ok(())
}

#[test]
fn a_binary_upgrade_is_no_incident() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let old_workers = nginx.workers()?;
    let old = nginx.upgrade()?;
    agent.wait_for("the upgrade", |r| is(r, "upgrade") && about(r, &nginx))?;
    signal(old, Signal::WINCH)?;
    for worker in old_workers {
        wait_gone(worker, DEADLINE)?;
    }
    signal(old, Signal::QUIT)?;
    wait_gone(old, DEADLINE)?;
    wait_agreement(&agent, &nginx)?;
    // The new master is the one that counts now.
    let before = nginx.workers()?;
    let _ = nginx.cause(Fault::Exit);
    let exit = agent.wait_for("a death under the new master", |r| is_exit(r, "error_exit"))?;
    assert!(
        pid(&exit).is_some_and(|pid| before.contains(&pid)),
        "{exit}"
    );
    assert!(about(&exit, &nginx), "{exit}");
    let records = agent.stop()?;
    let until_fault: Vec<Value> = records
        .into_iter()
        .take_while(|r| !is_exit(r, "error_exit"))
        .collect();
    ensure_quiet(&until_fault)
}

#[test]
fn a_worker_that_is_told_to_go_is_graceful_and_replaced() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let before = nginx.workers()?;
    signal(before[0], Signal::TERM)?;
    let after = nginx.wait_replaced(&before)?;
    let exit = agent.wait_for("its death", |r| is_exit(r, "graceful"))?;
    assert_eq!(pid(&exit), Some(before[0]), "{exit}");
    let new = after.iter().find(|pid| !before.contains(pid)).copied();
    agent.wait_for("its successor", |r| is(r, "worker_start") && pid(r) == new)?;
    wait_agreement(&agent, &nginx)?;
    ensure_quiet(&agent.stop()?)
}

#[test]
fn a_stop_is_no_incident() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    nginx.quit()?;
    agent.wait_for("the master's end", |r| {
        is(r, "master_exit") && about(r, &nginx)
    })?;
    agent.wait_until("two graceful deaths", DEADLINE, |records| {
        (records.iter().filter(|r| is_exit(r, "graceful")).count() == 2).then_some(())
    })?;
    ensure_quiet(&agent.stop()?)
}

#[test]
fn a_killed_master_is_an_incident_and_its_orphans_stay_known() -> Result<()> {
    let mut nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let orphans = nginx.kill_master()?;
    agent.wait_for("the master's end", |r| {
        is(r, "master_exit") && about(r, &nginx)
    })?;
    agent.wait_for("the incident", |r| {
        opens(r, "master_died") && about(r, &nginx)
    })?;
    agent.wait_count("nginx_workers", &[], 2)?;
    signal(orphans[0], Signal::KILL)?;
    let exit = agent.wait_for("an orphan's death", |r| is_exit(r, "killed"))?;
    assert_eq!(pid(&exit), Some(orphans[0]), "{exit}");
    agent.wait_count("nginx_workers", &[], 1)?;
    agent.stop().map(|_| ())
}

#[test]
fn two_nginx_are_kept_apart() -> Result<()> {
    let (one, other) = (
        Nginx::builder().start()?,
        Nginx::builder().workers(3).start()?,
    );
    let files = [one.pid_file(), other.pid_file()];
    let agent = Agent::start(
        files
            .iter()
            .flat_map(|file| ["--pid-file".as_ref(), file.as_os_str()]),
    )?;
    let mut own: BTreeSet<u32> = one.workers()?.into_iter().collect();
    let before = other.workers()?;
    let _ = one.cause(Fault::Abort);
    signal(before[0], Signal::TERM)?;
    let crash = agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    let graceful = agent.wait_for("the graceful exit", |r| is_exit(r, "graceful"))?;
    assert!(about(&crash, &one), "{crash}");
    assert!(about(&graceful, &other), "{graceful}");
    let incident = agent.wait_for("the incident", |r| opens(r, "worker_crash"))?;
    assert!(about(&incident, &one), "{incident}");
    other.wait_replaced(&before)?;
    wait_agreement(&agent, &one)?;
    wait_agreement(&agent, &other)?;
    own.extend(one.workers()?);
    let records = agent.stop()?;
    let mixed: Vec<u32> = workers(&records, &one)
        .into_keys()
        .filter(|p| !own.contains(p))
        .collect();
    assert!(
        mixed.is_empty(),
        "said to be workers of the first: {mixed:?}"
    );
    assert!(
        !records
            .iter()
            .any(|r| is(r, "incident") && about(r, &other))
    );
    Ok(())
}

#[test]
fn a_killed_agent_leaves_nothing_and_its_successor_works() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let programs = bpf::programs_of(agent.pid())?;
    agent.kill9()?;
    bpf::ensure_gone(&programs)?;
    let agent = Agent::watch(&nginx)?;
    wait_agreement(&agent, &nginx)?;
    let before = nginx.workers()?;
    let _ = nginx.cause(Fault::Segv);
    let crash = agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    assert!(
        pid(&crash).is_some_and(|pid| before.contains(&pid)),
        "{crash}"
    );
    let after = nginx.wait_replaced(&before)?;
    for worker in after.iter().filter(|pid| !before.contains(pid)) {
        wait_worker(&agent, &nginx, *worker)?;
    }
    wait_agreement(&agent, &nginx)?;
    let programs = bpf::programs_of(agent.pid())?;
    agent.stop()?;
    bpf::ensure_gone(&programs)
}

/// No incident, and every death graceful.
fn ensure_quiet(records: &[Value]) -> Result<()> {
    let loud: Vec<&Value> = records
        .iter()
        .filter(|r| is(r, "incident") || (is(r, "worker_exit") && r["reason"] != "graceful"))
        .collect();
    ensure!(loud.is_empty(), "nothing was wrong, and yet: {loud:#?}");
    Ok(())
}

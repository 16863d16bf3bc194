//! Workers that die of something: each death is told once, whenever and wherever it comes.

use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;

use anyhow::Result;
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::records::{is, is_exit, opens, pid, wait_agreement, workers};
use nginx_probe_tests::wait::DEADLINE;
use serde_json::Value;

#[test]
fn an_exit_code_is_an_error_exit() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let before = nginx.workers()?;
    let _ = nginx.cause(Fault::Exit);
    let exit = agent.wait_for("the death", |r| is_exit(r, "error_exit"))?;
    assert_eq!(exit["exit_code"], 3, "{exit}");
    assert_eq!(exit["signal"], Value::Null, "{exit}");
    assert!(
        pid(&exit).is_some_and(|pid| before.contains(&pid)),
        "{exit}"
    );
    agent.wait_for("the incident", |r| opens(r, "worker_crash"))?;
    wait_agreement(&agent, &nginx)?;
    agent.stop().map(|_| ())
}

#[test]
fn every_death_of_a_crash_loop_is_told_once() -> Result<()> {
    const DEATHS: usize = 20;
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let mut before = nginx.workers()?;
    let mut seen: BTreeSet<u32> = before.iter().copied().collect();
    for _ in 0..DEATHS {
        let _ = nginx.cause(Fault::Segv);
        before = nginx.wait_replaced(&before)?;
        seen.extend(&before);
    }
    agent.wait_until("twenty crashes", DEADLINE, |records| {
        (records.iter().filter(|r| is_exit(r, "crash")).count() >= DEATHS).then_some(())
    })?;
    wait_agreement(&agent, &nginx)?;
    let records = agent.stop()?;
    let exits: Vec<&Value> = records.iter().filter(|r| is(r, "worker_exit")).collect();
    let dead: BTreeSet<u32> = exits.iter().filter_map(|r| pid(r)).collect();
    assert_eq!((exits.len(), dead.len()), (DEATHS, DEATHS), "{exits:?}");
    assert!(exits.iter().all(|r| is_exit(r, "crash")), "{exits:?}");
    let known: BTreeSet<u32> = workers(&records, &nginx).into_keys().collect();
    assert!(
        known.is_subset(&seen),
        "in a record but never in /proc: {:?}",
        &known - &seen
    );
    let living: BTreeSet<u32> = before.into_iter().collect();
    assert_eq!(&seen - &living, dead);
    let opened = records.iter().filter(|r| opens(r, "worker_crash")).count();
    assert_eq!(opened, 1, "one run of failures is one incident");
    Ok(())
}

#[test]
fn a_death_while_the_agent_starts_is_not_overlooked() -> Result<()> {
    const ROUNDS: u32 = 10;
    let nginx = Nginx::builder().start()?;
    let began = Instant::now();
    Agent::watch(&nginx)?.stop()?;
    let start = began.elapsed();
    for round in 0..ROUNDS {
        let before = nginx.wait_serving()?;
        let arguments = ["--pid-file".into(), nginx.pid_file().into_os_string()];
        let mut agent = Agent::spawn(arguments)?;
        // Not a wait for something: each round kills at another point of the agent's start.
        thread::sleep(start * round / ROUNDS);
        signal(before[0], Signal::KILL)?;
        agent.wait_ready()?;
        nginx.wait_replaced(&before)?;
        wait_agreement(&agent, &nginx)?;
        agent.stop()?;
    }
    Ok(())
}

#[test]
fn a_crash_in_other_namespaces_has_our_pid() -> Result<()> {
    let nginx = Nginx::builder().own_namespaces().start()?;
    let agent = Agent::start(["--master".into(), nginx.master()?.to_string()])?;
    let before = nginx.workers()?;
    let _ = nginx.cause(Fault::Segv);
    let crash = agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    assert!(
        pid(&crash).is_some_and(|pid| before.contains(&pid)),
        "{crash} {before:?}"
    );
    assert_eq!(crash["signal"], "SIGSEGV", "{crash}");
    agent.stop().map(|_| ())
}

//! Deaths by the kernel's OOM killer.

use anyhow::{Context as _, Result};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::cgroup::Cgroup;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::records::{about, is_exit, opens, pid, wait_agreement};
use serde_json::Value;

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 64 * MIB;

#[test]
fn an_oom_kill_in_a_control_group_has_its_limit() -> Result<()> {
    let (group, nginx) = limited_nginx()?;
    let agent = Agent::watch(&nginx)?;
    let before = nginx.workers()?;
    let _ = nginx.cause(Fault::EatMemory);
    let exit = agent.wait_for("the OOM kill", |r| is_exit(r, "oom_kill"))?;
    assert!(
        pid(&exit).is_some_and(|pid| before.contains(&pid)),
        "{exit} {before:?}"
    );
    assert_eq!(exit["signal"], "SIGKILL", "{exit}");
    assert_eq!(exit["sender"], Value::Null, "{exit}");
    let memory = &exit["memory"];
    assert_eq!(memory["scope"], "cgroup", "{exit}");
    assert_eq!(memory["limit_bytes"], group.limit(), "{exit}");
    let rss = memory["rss_bytes"].as_u64().context("no rss_bytes")?;
    // File pages that the master paid for count in its size, and not in the group.
    assert!((LIMIT / 2..LIMIT + 32 * MIB).contains(&rss), "{exit}");
    agent.wait_for("the incident", |r| {
        opens(r, "worker_oom_kill") && about(r, &nginx)
    })?;
    let labels = [("reason", "oom_kill"), ("signal", "SIGKILL")];
    agent.wait_count("nginx_worker_exits_total", &labels, 1)?;
    nginx.wait_replaced(&before)?;
    wait_agreement(&agent, &nginx)?;
    agent.stop()?;
    drop(nginx);
    assert_eq!(group.oom_kills()?, 1);
    Ok(())
}

#[test]
fn a_plain_kill_in_a_limited_group_is_no_oom_kill() -> Result<()> {
    let (_group, nginx) = limited_nginx()?;
    let agent = Agent::watch(&nginx)?;
    let worker = nginx.workers()?[0];
    signal(worker, Signal::KILL)?;
    let exit = agent.wait_for("the kill", |r| is_exit(r, "killed"))?;
    assert_eq!(pid(&exit), Some(worker), "{exit}");
    assert_eq!(exit["sender"]["pid"], std::process::id(), "{exit}");
    agent.stop().map(|_| ())
}

/// An nginx in a control group of its own, to be dropped before that group.
fn limited_nginx() -> Result<(Cgroup, Nginx)> {
    let group = Cgroup::new(LIMIT)?;
    let nginx = Nginx::builder().start()?;
    group.add(nginx.master()?)?;
    for worker in nginx.workers()? {
        group.add(worker)?;
    }
    Ok((group, nginx))
}

//! What has to be true of the agent in its pod, beside an nginx in another container.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::nginx::ContainedNginx;
use super::pod::{AgentPod, NODE, shipped};
use crate::cgroup::Cgroup;
use crate::http::Answer;
use crate::metrics;
use crate::processes::{Signal, signal};
use crate::records::{is_exit, opens};
use crate::wait::{DEADLINE, until_true};

/// Smaller than the file that a worker reads into its memory.
const LIMIT: u64 = 64 << 20;
/// Sources that look into the network namespaces of containers, which takes `CAP_SYS_ADMIN`.
const IN_OTHER_NETWORKS: [&str; 2] = ["backends", "listen_queue"];
/// Sources that read files which nginx writes.
const LOGS: [&str; 2] = ["access_log", "error_log"];

/// Runs the agent of this root in the pod that is shipped, told which nginx to watch, causes faults in
/// that one, and gives what was found, in lines.
pub fn run(agent_root: &Path) -> Result<Vec<String>> {
    let nginx = ContainedNginx::start()?;
    let mut agent = AgentPod::start(agent_root, &shipped_for(&nginx)?, None)?;
    agent.wait_ready()?;
    let mut found = vec!["/healthz answered 200 on the pod's own address".to_owned()];

    sources(&agent, &IN_OTHER_NETWORKS)?;
    found.push(format!(
        "every source is up but {}",
        IN_OTHER_NETWORKS.join(", ")
    ));
    for (path, status, cause, times) in [
        ("/app", 500, "upstream_response", 3),
        ("/cycle", 500, "redirect_cycle", 2),
        ("/dead", 502, "upstream_refused", 2),
    ] {
        let incident = failures(&nginx, &agent, path, status, cause, times)?;
        found.push(format!(
            "{times} × {status}: {}, {} ({})",
            cause, incident["summary"], incident["instance"]
        ));
    }
    until_true("the access log of the other root is read", DEADLINE, || {
        let parsed = [("result", "parsed")];
        Ok(sum(&agent, "nginx_probe_log_lines_total", &parsed)? >= 7.0)
    })?;

    let killed = *nginx.workers().first().context("no worker")?;
    signal(killed, Signal::KILL)?;
    let exit = agent.wait_for("the kill", |record| {
        is_exit(record, "killed") && record["pid"] == killed
    })?;
    ensure!(
        exit["sender"]["pid"] == std::process::id(),
        "another sender: {exit}"
    );
    let labels = [("reason", "killed"), ("signal", "SIGKILL")];
    until_true("the kill is counted", DEADLINE, || {
        Ok(sum(&agent, "nginx_worker_exits_total", &labels)? > 0.5)
    })?;
    found.push(format!(
        "SIGKILL of a worker: killed by {}",
        exit["sender"]["comm"]
    ));
    found.push(out_of_memory(&nginx, &agent)?);

    let journal = agent.state().join("journal.jsonl");
    let kept = std::fs::read_to_string(&journal).with_context(|| agent.container.told())?;
    ensure!(
        kept.contains("upstream_response"),
        "no incident in the journal: {kept}"
    );
    ensure!(nginx.runs(), "nginx is gone");
    let told = agent.container.told();
    let status = agent.container.stop()?;
    ensure!(status == Some(0), "the agent ended with {status:?}\n{told}");
    found.push("SIGTERM: ended with status 0, its journal is on the node".to_owned());
    Ok(found)
}

/// Runs the same agent beside an nginx that logs to its container's streams, which no file of a root is:
/// verdicts then come from the kernel alone, and counters from the socket in the root.
pub fn without_logs(agent_root: &Path) -> Result<Vec<String>> {
    let nginx = ContainedNginx::of_a_controller()?;
    let mut agent = AgentPod::start(agent_root, &shipped_for(&nginx)?, None)?;
    agent.wait_ready()?;
    let mut found = Vec::new();
    for (path, status, cause, times) in [
        ("/cycle", 500, "redirect_cycle", 2),
        ("/dead", 502, "upstream_refused", 2),
    ] {
        failures(&nginx, &agent, path, status, cause, times)?;
        found.push(format!("{times} × {status}: {cause}, with no log"));
    }
    sources(&agent, &[&IN_OTHER_NETWORKS[..], &LOGS].concat())?;
    until_true("counters of the socket", DEADLINE, || {
        Ok(sum(&agent, "nginx_up", &[])? > 0.5)
    })?;
    found.push("nginx's own counters were had from the socket in its root".to_owned());
    let told = agent.container.told();
    let status = agent.container.stop()?;
    ensure!(status == Some(0), "the agent ended with {status:?}\n{told}");
    Ok(found)
}

/// Runs the same agent with `CAP_SYS_ADMIN` too, as the component `sys-admin` and the chart's `sysAdmin` do:
/// nothing is left that it cannot look at.
pub fn with_sys_admin(agent_root: &Path) -> Result<String> {
    let nginx = ContainedNginx::start()?;
    let mut set = shipped_for(&nginx)?;
    list(&mut set, "/securityContext/capabilities/add")?.push("SYS_ADMIN".into());
    let mut agent = AgentPod::start(agent_root, &set, None)?;
    agent.wait_ready()?;
    sources(&agent, &[])?;
    Ok("every source is up with CAP_SYS_ADMIN".to_owned())
}

/// Runs the pod with nothing but what is shipped: it finds the nginx of another container by itself.
pub fn unaided(agent_root: &Path) -> Result<String> {
    let nginx = ContainedNginx::start()?;
    let mut agent = AgentPod::start(agent_root, &shipped()?, None)?;
    agent.wait_ready()?;
    let incident = failures(&nginx, &agent, "/cycle", 500, "redirect_cycle", 2)?;
    Ok(format!("found by itself: {}", incident["instance"]))
}

/// What `doctor` says in the pod of an nginx in another container; it has to find nothing wrong.
pub fn doctor(agent_root: &Path) -> Result<String> {
    let nginx = ContainedNginx::start()?;
    let master = nginx.master().to_string();
    let arguments = ["doctor", "--master", &master];
    let mut agent = AgentPod::start(agent_root, &shipped()?, Some(&arguments))?;
    let status = agent.container.wait()?;
    let said = agent.container.told();
    ensure!(status == Some(0), "doctor ended with {status:?}; {said}");
    Ok(agent.container.stdout())
}

/// The manifest, with one more argument: sources that are down for whatever else runs on this machine
/// would be no news.
fn shipped_for(nginx: &ContainedNginx) -> Result<Value> {
    let mut set = shipped()?;
    let master = nginx.master().to_string();
    list(&mut set, "/args")?.extend(["--master".into(), master.into()]);
    Ok(set)
}

/// A list of the manifest's container.
fn list<'a>(set: &'a mut Value, inside: &str) -> Result<&'a mut Vec<Value>> {
    let pointer = format!("/spec/template/spec/containers/0{inside}");
    set.pointer_mut(&pointer)
        .and_then(Value::as_array_mut)
        .with_context(|| format!("the manifest has no list {pointer}"))
}

/// Causes failures, and gives the incident that the agent opened for them once each was counted.
fn failures(
    nginx: &ContainedNginx,
    agent: &AgentPod,
    path: &str,
    status: u16,
    cause: &str,
    times: u32,
) -> Result<Value> {
    for _ in 0..times {
        let answer = nginx.get(path);
        ensure!(
            answer == Answer::Status(status),
            "{path} answered {answer:?}"
        );
    }
    // This nginx's: there may be others on the machine.
    let incident = agent.wait_for(cause, |record| {
        let instance = record["instance"].as_str().unwrap_or_default();
        opens(record, cause) && instance.ends_with(nginx.pid_file())
    })?;
    ensure!(incident["host"] == NODE, "not the node's name: {incident}");
    counted(agent, &incident, status, times)?;
    Ok(incident)
}

/// Waits until every source is up, but for these, which have to be down.
fn sources(agent: &AgentPod, down: &[&str]) -> Result<()> {
    let expected: BTreeSet<String> = down.iter().map(|&source| source.to_owned()).collect();
    let mut last = BTreeSet::new();
    let settled = until_true("the sources", DEADLINE, || {
        let (_, text) = agent.get("/metrics")?;
        let states = metrics::by_label(&text, "nginx_probe_source_up", "source");
        ensure!(!states.is_empty(), "no source is told of: {text}");
        let down = states.into_iter().filter(|(_, up)| *up < 0.5);
        last = down.map(|(source, _)| source).collect();
        Ok(last == expected)
    });
    settled.with_context(|| format!("down: {last:?}\n{}", agent.container.told()))
}

fn out_of_memory(nginx: &ContainedNginx, agent: &AgentPod) -> Result<String> {
    let group = Cgroup::new(LIMIT)?;
    until_true("both workers", DEADLINE, || Ok(nginx.workers().len() == 2))?;
    let workers = nginx.workers();
    for worker in &workers {
        group.add(*worker)?;
    }
    let answer = nginx.get("/large");
    let exit = agent.wait_for("the OOM kill", |record| {
        is_exit(record, "oom_kill") && workers.iter().any(|worker| record["pid"] == *worker)
    });
    let exit = exit.with_context(|| format!("/large answered {answer:?}"))?;
    ensure!(
        exit["memory"]["limit_bytes"] == LIMIT,
        "the kernel log was not read: {exit}"
    );
    // The group is removed when no worker is left in it.
    for worker in nginx.workers() {
        signal(worker, Signal::KILL)?;
    }
    Ok(format!("OOM kill of a worker: {}", exit["memory"]))
}

/// Waits until so many failed responses were counted as the incident says.
fn counted(agent: &AgentPod, incident: &Value, code: u16, times: u32) -> Result<()> {
    let code = code.to_string();
    let field = |name: &str| incident[name].as_str().unwrap_or_default();
    let cause = field("cause");
    let labels = [
        ("nginx", field("instance")),
        ("code", code.as_str()),
        ("cause", cause),
    ];
    let mut last = 0.0;
    let counted = until_true("the failed responses are counted", DEADLINE, || {
        last = sum(agent, "nginx_http_error_responses_total", &labels)?;
        Ok((last - f64::from(times)).abs() < 0.5)
    });
    counted.with_context(|| format!("{last} of {times} {cause}\n{}", agent.container.told()))
}

fn sum(agent: &AgentPod, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
    let (status, text) = agent.get("/metrics")?;
    ensure!(status == 200, "/metrics answered {status}: {text}");
    Ok(metrics::sum(&text, name, labels).unwrap_or(0.0))
}

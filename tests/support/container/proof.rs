//! What has to be true of the agent in its pod, beside an nginx in another container.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

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
/// Sources that have to be up in a pod as it is shipped.
const SOURCES: [&str; 10] = [
    "lifecycle",
    "signals",
    "oom",
    "requests",
    "error_path",
    "kernel_log",
    "config",
    "access_log",
    "error_log",
    "processes",
];

/// Runs the agent of this root in the pod that is shipped, causes faults in another container's nginx,
/// and gives what was found, in lines.
pub fn run(agent_root: &Path) -> Result<Vec<String>> {
    let set = shipped()?;
    let nginx = ContainedNginx::start()?;
    let mut agent = AgentPod::start(agent_root, &set, None)?;
    agent.wait_ready()?;
    let mut found = vec!["/healthz answered 200 on the pod's own address".to_owned()];

    sources(&agent)?;
    found.push(format!("up without CAP_SYS_ADMIN: {}", SOURCES.join(", ")));
    for (path, status, cause, times) in [
        ("/app", 500, "upstream_response", 3),
        ("/cycle", 500, "redirect_cycle", 2),
        ("/dead", 502, "upstream_refused", 2),
    ] {
        for _ in 0..times {
            let answer = nginx.get(path);
            ensure!(
                answer == Answer::Status(status),
                "{path} answered {answer:?}"
            );
        }
        let incident = agent.wait_for(cause, |record| opens(record, cause))?;
        ensure!(incident["host"] == NODE, "not the node's name: {incident}");
        counted(&agent, status, cause, times)?;
        found.push(format!(
            "{times} × {status}: {}, {} ({})",
            cause, incident["summary"], incident["instance"]
        ));
    }
    ensure!(
        sum(
            &agent,
            "nginx_probe_log_lines_total",
            &[("result", "parsed")]
        )? >= 7.0,
        "the access log of the other root was not read"
    );

    let killed = *nginx.workers().first().context("no worker")?;
    signal(killed, Signal::KILL)?;
    let exit = agent.wait_for("the kill", |record| is_exit(record, "killed"))?;
    ensure!(exit["pid"] == killed, "another worker: {exit}");
    ensure!(
        exit["sender"]["pid"] == std::process::id(),
        "another sender: {exit}"
    );
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

/// What `doctor` says in the pod; it has to find nothing wrong beside an nginx of another container.
pub fn doctor(agent_root: &Path) -> Result<String> {
    let _nginx = ContainedNginx::start()?;
    let mut agent = AgentPod::start(agent_root, &shipped()?, Some(&["doctor"]))?;
    let status = agent.container.wait()?;
    let said = agent.container.told();
    ensure!(status == Some(0), "doctor ended with {status:?}; {said}");
    Ok(agent.container.stdout())
}

fn sources(agent: &AgentPod) -> Result<()> {
    let up = |source: &&str| -> Result<bool> {
        Ok(sum(agent, "nginx_probe_source_up", &[("source", source)])? > 0.5)
    };
    let mut down = Vec::new();
    let all = until_true("every source is up", DEADLINE, || {
        down = SOURCES
            .into_iter()
            .filter(|source| !up(source).unwrap_or(false))
            .collect();
        Ok(down.is_empty())
    });
    all.with_context(|| format!("down: {down:?}\n{}", agent.container.told()))
}

fn out_of_memory(nginx: &ContainedNginx, agent: &AgentPod) -> Result<String> {
    let group = Cgroup::new(LIMIT)?;
    until_true("both workers", DEADLINE, || Ok(nginx.workers().len() == 2))?;
    for worker in nginx.workers() {
        group.add(worker)?;
    }
    let answer = nginx.get("/large");
    let exit = agent.wait_for("the OOM kill", |record| is_exit(record, "oom_kill"));
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

fn counted(agent: &AgentPod, code: u16, cause: &str, times: u32) -> Result<()> {
    let code = code.to_string();
    let labels = [("code", code.as_str()), ("cause", cause)];
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

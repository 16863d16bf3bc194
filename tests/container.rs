//! Who an nginx is: its container, pod and unit, its name in metrics and records, after a restart too.

#[path = "container/runtimes.rs"]
mod runtimes;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::contained::{Container, PID_FILE};
use nginx_probe_tests::groups::{Group, Hierarchy};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::records::{about, is, is_exit, opens, pid};
use serde_json::{Value, json};

use self::runtimes::{Kind, Known, Runtimes};

#[test]
fn each_runtimes_containers_keep_their_names_over_restarts() -> Result<()> {
    let runtimes = Runtimes::new()?;
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let known = runtimes.known(kind)?;
        let group = Group::new(&Hierarchy::find()?, &known.path)?;
        all.push((Container::start(group)?, known));
    }
    // Where both versions are mounted, a runtime of before has its groups in the first one.
    if let Some(hierarchy) = Hierarchy::find_of_systemd()? {
        let known = runtimes.known(Kind::DockerFolder)?;
        all.push((
            Container::start(Group::new(&hierarchy, &known.path)?)?,
            known,
        ));
    }
    let agent = Agent::start(runtimes.arguments())?;
    for (container, known) in &all {
        let labels = [("nginx", &*known.name)];
        agent.wait_count("nginx_workers", &labels, 1)?;
        let killed = container.kill_worker()?;
        let died = |r: &Value| is_exit(r, "killed") && pid(r) == Some(killed);
        known.check(&agent.wait_for("the death of a worker", died)?)?;
        let incident = |r: &Value| opens(r, "worker_killed") && r["instance"] == *known.name;
        known.check(&agent.wait_for("its incident", incident)?)?;
    }
    for (container, known) in &mut all {
        let before = container.master()?;
        container.end(Signal::QUIT)?;
        let ended = |r: &Value| is(r, "master_exit") && pid(r) == Some(before);
        known.check(&agent.wait_for("the end of a master", ended)?)?;
        container.start_again()?;
        ensure!(container.master()? != before, "the process id is the same");
        let worker = container.worker()?;
        let started = |r: &Value| is(r, "worker_start") && pid(r) == Some(worker);
        known.check(&agent.wait_for("the start after the restart", started)?)?;
        agent.wait_count("nginx_workers", &[("nginx", &known.name)], 1)?;
    }
    // The container is gone with its control group when its death is told.
    for (mut container, known) in all {
        let master = container.master()?;
        container.end(Signal::KILL)?;
        drop(container);
        let killed = |r: &Value| is(r, "master_exit") && pid(r) == Some(master);
        known.check(&agent.wait_for("the death of a container", killed)?)?;
        let died = |r: &Value| opens(r, "nginx_down") && r["instance"] == *known.name;
        known.check(&agent.wait_for("the incident of its death", died)?)?;
    }
    let names = names(&agent)?;
    let ours = names.iter().filter(|name| name.ends_with(PID_FILE));
    let ours: BTreeSet<&str> = ours.map(String::as_str).collect();
    let expected = runtimes.names();
    assert!(
        expected.iter().all(|name| ours.contains(&**name)),
        "{names:?}"
    );
    let mark = runtimes.mark();
    let marked = ours.iter().filter(|name| name.contains(mark)).count();
    assert_eq!(marked, expected.len(), "no other name for any: {names:?}");
    assert!(!names.iter().any(|name| name.contains("pid:")), "{names:?}");
    agent.stop()?;
    Ok(())
}

#[test]
fn two_of_one_name_are_told_apart_and_an_operator_names_them() -> Result<()> {
    let runtimes = Runtimes::new()?;
    let start = || -> Result<(Container, Known)> {
        let known = runtimes.called("web", Kind::DockerScope)?;
        let group = Group::new(&Hierarchy::find()?, &known.path)?;
        Ok((Container::start(group)?, known))
    };
    let (first, known) = start()?;
    let mut arguments = runtimes.arguments();
    arguments.extend(["--host", "node-7"].map(Into::into));
    arguments.extend(["--instance-label", "{host}/{container}"].map(Into::into));
    let agent = Agent::start(arguments)?;
    let name = format!(
        "node-7/{}",
        known.container["name"].as_str().context("a name")?
    );
    agent.wait_count("nginx_workers", &[("nginx", &name)], 1)?;
    let (mut second, other) = start()?;
    let short = other.container["id"].as_str().and_then(|id| id.get(..12));
    let beside = format!("{name}#{}", short.context("an id")?);
    agent.wait_count("nginx_workers", &[("nginx", &beside)], 1)?;
    // Neither takes the other's name when it is back alone.
    drop(first);
    agent.wait_count("nginx_workers", &[("nginx", &name)], 0)?;
    second.end(Signal::QUIT)?;
    agent.wait_count("nginx_workers", &[("nginx", &beside)], 0)?;
    second.start_again()?;
    agent.wait_count("nginx_workers", &[("nginx", &beside)], 1)?;
    let worker = second.worker()?;
    let started = |r: &Value| is(r, "worker_start") && pid(r) == Some(worker);
    let started = agent.wait_for("its start", started)?;
    assert_eq!(started["instance"], *beside);
    assert_eq!(started["host"], "node-7");
    assert_eq!(started["container"], other.container);
    agent.stop()?;
    Ok(())
}

#[test]
fn a_service_of_the_host_is_called_by_its_pid_file_and_has_its_unit() -> Result<()> {
    let group = Group::new(&Hierarchy::find()?, "system.slice/nginx.service")?;
    let nginx = Nginx::builder().workers(1).start()?;
    for process in nginx.members() {
        group.add(process.pid)?;
    }
    let agent = Agent::watch(&nginx)?;
    let worker = nginx.workers()?[0];
    signal(worker, Signal::KILL)?;
    let died = agent.wait_for("the worker's death", |r| {
        is_exit(r, "killed") && about(r, &nginx)
    })?;
    assert_eq!(died["unit"], "nginx.service");
    assert_eq!(died["container"], Value::Null);
    agent.stop()?;
    drop(nginx);
    Ok(())
}

impl Known {
    /// Checks that a record is about this container.
    fn check(&self, record: &Value) -> Result<()> {
        let seen = json!([record["instance"], record["container"], record["unit"]]);
        let expected = json!([self.name, self.container, self.unit]);
        ensure!(seen == expected, "{seen} is not {expected}: {record}");
        Ok(())
    }
}

/// Every value of the label `nginx`.
fn names(agent: &Agent) -> Result<BTreeSet<String>> {
    let text = agent.metrics()?;
    let labels = text.lines().filter_map(|line| line.split_once("nginx=\""));
    let names = labels.filter_map(|(_, rest)| rest.split_once('"'));
    Ok(names.map(|(name, _)| name.to_owned()).collect())
}

//! More failures than the agent can take: what is lost is counted, and nothing wrong is told.

use std::thread;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::answers::told;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::records::{is_exit, pid};
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::scene::{OWN, Scene};

/// Several times what the buffer between kernel and agent holds.
const FAILURES: u32 = 6_000;
const CLIENTS: u32 = 4;

/// Series that are summed up: a name, and a label.
type Series = (&'static str, (&'static str, &'static str));
const TOLD: Series = ("nginx_http_error_responses_total", ("code", "503"));
const SEEN: Series = ("nginx_probe_events_total", ("kind", "request"));
const LOST: Series = ("nginx_probe_events_lost_total", ("kind", "request"));

#[test]
fn what_finds_no_room_is_counted_and_a_death_always_has_some() -> Result<()> {
    let scene = Scene::start()?;
    let seen_before = sum(&scene.agent, SEEN)?;
    signal(scene.agent.pid(), Signal::STOP)?;
    let port = scene.nginx.port();
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(move || -> Result<()> {
                    // An own 503 keeps the connection, until nginx's limit of 1,000 requests on one.
                    let mut client = Client::connect(port)?;
                    for number in 0..FAILURES / CLIENTS {
                        if number % 900 == 899 {
                            client = Client::connect(port)?;
                        }
                        ensure!(client.get("/own/503/flood")? == 503);
                    }
                    Ok(())
                })
            })
            .collect();
        for client in clients {
            client.join().ok().context("a client panicked")??;
        }
        Ok(())
    })?;
    let worker = scene.nginx.serving()?[0];
    signal(worker, Signal::KILL)?;
    scene.nginx.wait_replaced(&[worker])?;
    signal(scene.agent.pid(), Signal::CONT)?;
    scene
        .agent
        .wait_for("the death after the flood", |record| {
            is_exit(record, "killed") && pid(record) == Some(worker)
        })?;
    let mut counts = (0.0, 0.0);
    let all_counted = until_true("what is told and what is lost to be all", DEADLINE, || {
        let (told, lost) = (sum(&scene.agent, TOLD)?, sum(&scene.agent, LOST)?);
        counts = (told, lost);
        // An nginx that is started while the agent stands still is followed until it goes on, and
        // its records are counted too: seen are then more than are told of this one.
        let foreign = sum(&scene.agent, SEEN)? - seen_before > told + 0.5;
        let left = f64::from(FAILURES) - told - lost;
        Ok(left.abs() < 0.5 || foreign && left < 0.0)
    });
    scene
        .agent
        .explain(all_counted.with_context(|| format!("told and lost: {counts:?}")))?;
    ensure!(counts.0 < f64::from(FAILURES), "told twice: {counts:?}");
    ensure!(counts.1 > 100.0, "nothing was lost: {counts:?}");
    for one in told(&scene.agent)? {
        let right = one.status == 503
            && one.path.as_deref() == Some("/own/503/flood")
            && OWN.contains(&one.cause.as_str());
        ensure!(right, "{one:?}");
    }
    // Answers are counted by status in another way, which has no room to run out of.
    let labels = [("code", "503"), ("seen_by", "kernel")];
    scene
        .agent
        .wait_count("nginx_http_responses_total", &labels, FAILURES)?;
    let records = scene.agent.stop()?;
    let incomplete = records.iter().any(|record| record["complete"] == false);
    ensure!(incomplete, "no incident is said to be incomplete");
    Ok(())
}

fn sum(agent: &Agent, (name, label): Series) -> Result<f64> {
    Ok(agent.sample(name, &[label])?.unwrap_or(0.0))
}

//! What a worker takes with it when it dies.

use std::collections::BTreeSet;
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::answers::Way;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::records::{is, is_exit};
use nginx_probe_tests::wait::{DEADLINE, until_true};
use serde_json::Value;

use crate::scene::Scene;

#[test]
fn all_requests_in_flight_at_a_crash_are_named() -> Result<()> {
    Way::ALL.into_iter().try_for_each(lose)
}

fn lose(way: Way) -> Result<()> {
    let scene = Scene::watched(way)?;
    // Two that have nothing in flight, one of them after an answer.
    let mut idle = scene.client()?;
    ensure!(idle.get("/status/200/before")? == 200);
    let _silent = TcpStream::connect(("127.0.0.1", scene.nginx.port()))?;
    let mut clients = Vec::new();
    for number in 0..40 {
        let mut client = scene.client()?;
        client.send(format!(
            "GET /held/200/{number}?token=secret{number} HTTP/1.1\r\nHost: shop.example\r\n\r\n"
        ))?;
        clients.push(client);
    }
    until_true("40 requests at the upstream", DEADLINE, || {
        Ok(scene.upstream.requests() == 41)
    })?;
    let _ = scene.nginx.cause(Fault::Segv);
    let exit = scene.agent.wait_for("the crash", |r| is_exit(r, "crash"))?;
    let lost = exit["lost_requests"]
        .as_array()
        .context("no lost_requests")?;
    let text = exit.to_string();
    ensure!(!text.contains("secret"), "a query is recorded: {exit}");
    let paths: BTreeSet<_> = lost.iter().filter_map(|one| one["path"].as_str()).collect();
    let mut expected: BTreeSet<_> = (0..40)
        .map(|number| format!("/held/200/{number}"))
        .collect();
    expected.insert(Fault::Segv.path().to_owned());
    ensure!(
        paths
            .iter()
            .copied()
            .eq(expected.iter().map(String::as_str)),
        "{exit}"
    );
    ensure!(lost.len() == 41, "{exit}");
    for one in lost {
        ensure!(one["method"] == "GET", "{one}");
        ensure!(
            one["client"]
                .as_str()
                .is_some_and(|client| client.starts_with("127.0.0.1:"))
        );
        ensure!(
            one["age_ms"].as_u64().is_some_and(|age| age < 20_000),
            "{one}"
        );
        let upstream = one["upstream"].as_str();
        if one["path"] == Fault::Segv.path() {
            ensure!(upstream.is_none(), "{one}");
        } else {
            ensure!(one["host"] == "shop.example", "{one}");
            let ours = format!("127.0.0.1:{}", scene.upstream.port());
            ensure!(upstream == Some(&ours), "{one}");
        }
    }
    // The idle one too. The silent one was never seen, where sockets alone are.
    let connections = exit["lost_connections"].as_u64().unwrap_or(0);
    ensure!(
        connections == 43 || way == Way::Best && connections == 42,
        "{exit}"
    );
    let labels = [("reason", "crash")];
    scene
        .agent
        .wait_count("nginx_worker_lost_requests_total", &labels, 41)?;
    scene.agent.wait_count(
        "nginx_worker_lost_connections_total",
        &labels,
        u32::try_from(connections)?,
    )?;
    wait_incident(&scene.agent, |incident| incident["lost_requests"] == 41)?;
    scene.agent.stop().map(|_| ())
}

#[test]
fn a_request_that_is_in_flight_at_every_crash_is_suspected() -> Result<()> {
    let scene = Scene::start()?;
    for round in 0..3 {
        let before = scene.nginx.wait_serving()?;
        let requests = scene.upstream.requests();
        let mut others: Vec<Client> = Vec::new();
        for path in [
            "/held/200/report?page=1",
            &format!("/held/200/other-{round}"),
        ] {
            let mut client = scene.client()?;
            client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))?;
            others.push(client);
        }
        until_true("two requests at the upstream", DEADLINE, || {
            Ok(scene.upstream.requests() == requests + 2)
        })?;
        let _ = scene.nginx.cause(Fault::WildWrite);
        scene.nginx.wait_replaced(&before)?;
    }
    let suspicion = "GET /held/200/report was in flight at 3 of 3 deaths";
    wait_incident(&scene.agent, |incident| {
        let evidence = incident["evidence"].as_array();
        evidence.is_some_and(|all| all.iter().any(|one| one["what"] == suspicion))
    })?;
    let all = scene.agent.stop()?;
    let told = all
        .iter()
        .any(|record| record.to_string().contains("other-1 was in flight"));
    ensure!(!told, "one that was there once is suspected: {all:?}");
    Ok(())
}

fn wait_incident(agent: &Agent, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    agent.wait_for("the incident", |record| {
        is(record, "incident") && record["cause"] == "worker_crash" && wanted(record)
    })
}

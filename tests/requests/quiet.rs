//! What is no failure is not told of.

use std::time::Duration;

use anyhow::{Result, ensure};
use nginx_probe_tests::client::request;
use nginx_probe_tests::http::Load;
use nginx_probe_tests::records::is;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::scene::Scene;

/// Fails when anything but the one record that ends a test was told.
fn ensure_quiet(scene: Scene) -> Result<()> {
    let all = scene.all()?;
    ensure!(all.is_empty(), "{all:?}");
    let records = scene.agent.stop()?;
    let mut causes = records
        .iter()
        .filter(|record| is(record, "incident"))
        .map(|record| record["cause"].as_str().unwrap_or_default());
    // The record that ends the test is an answer of nginx's own.
    ensure!(
        causes.all(|cause| crate::scene::OWN.contains(&cause)),
        "{records:?}"
    );
    Ok(())
}

#[test]
fn missing_pages_are_no_failures() -> Result<()> {
    let scene = Scene::start()?;
    let mut client = scene.client()?;
    for number in 0..300 {
        let path = ["/none", "/status/404/a", "/status/403/a", "/auth-403/a"][number % 4];
        ensure!(client.get(path)? >= 400);
    }
    ensure_quiet(scene)
}

#[test]
fn clients_that_go_away_are_no_failures() -> Result<()> {
    let scene = Scene::of(|builder| {
        builder.location(
            "location /ignored/ { proxy_ignore_client_abort on; proxy_pass http://kept/; }",
        )
    })?;
    let mut clients = Vec::new();
    for path in [
        "/held/200/a",
        "/held/200/b",
        "/ignored/held/200/a",
        "/late/200/a",
    ] {
        let mut client = scene.client()?;
        client.send(request("GET", path))?;
        clients.push(client);
    }
    until_true("all requests at the upstream", DEADLINE, || {
        Ok(scene.upstream.requests() == 4)
    })?;
    drop(clients);
    scene.upstream.release();
    // One that goes before its request is whole, and one that says nothing.
    let mut client = scene.client()?;
    client.send("GET /status/200/a HT")?;
    client.wait_read()?;
    drop(client);
    drop(scene.client()?);
    ensure!(scene.get("/status/200/after")? == 200);
    ensure_quiet(scene)
}

#[test]
fn slow_clients_are_no_failures() -> Result<()> {
    let scene = Scene::start()?;
    let mut client = scene.client()?;
    for byte in request("GET", "/status/200/slow").into_bytes().chunks(7) {
        client.send(byte)?;
        client.wait_read()?;
    }
    ensure!(client.answer()? == 200);
    ensure_quiet(scene)
}

#[test]
fn reloads_under_load_are_no_failures() -> Result<()> {
    let scene = Scene::start()?;
    let paths = ["/kept/status/200/a", "/index.html", "/status/200/a"];
    let load = Load::paced(scene.nginx.port(), &paths, 5_000, DEADLINE, Duration::ZERO);
    for _ in 0..3 {
        let sent = load.sent();
        scene.nginx.reload()?;
        until_true("requests after a reload", DEADLINE, || {
            Ok(load.sent() > sent + 20)
        })?;
    }
    let counts = load.stop()?;
    ensure!(
        counts.broken == 0 && counts.statuses.keys().eq([&200]),
        "{counts:?}"
    );
    ensure_quiet(scene)
}

//! The thresholds of an operator's checklist, as states that go and come back.

use anyhow::Result;
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::client::{Client, request};
use nginx_probe_tests::metrics::by_label;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, signal};
use nginx_probe_tests::upstream::Upstream;

const EXCEEDED: &str = "nginx_threshold_exceeded";
/// What the fixture's configuration allows.
const CONNECTIONS: usize = 256;

#[test]
fn states_go_and_come_back() -> Result<()> {
    let app = Upstream::start()?;
    let nginx = Nginx::builder()
        .workers(1)
        .location(&format!(
            "location /silent/ {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    let agent = Agent::watch(&nginx)?;
    let states = by_label(&agent.metrics()?, EXCEEDED, "threshold");
    assert!(states.len() == 8, "{states:?}");
    assert!(states.values().all(|state| *state < 0.5), "{states:?}");

    // Two connections each, to an upstream that does not answer: nginx may close none of them.
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS * 15 / 16 / 2 {
        let mut client = Client::connect(nginx.port())?;
        client.send(request("GET", "/silent/order"))?;
        clients.push(client);
    }
    agent.wait_count(EXCEEDED, &[("threshold", "connections")], 1)?;

    // The master says at level `alert` that a worker was killed.
    drop(clients);
    signal(nginx.workers()?[0], Signal::KILL)?;
    agent.wait_count(EXCEEDED, &[("threshold", "connections")], 0)?;
    agent.wait_count(EXCEEDED, &[("threshold", "severe_messages")], 1)?;

    // Nothing else is so.
    let states = by_label(&agent.metrics()?, EXCEEDED, "threshold");
    let exceeded = states.iter().filter(|(_, state)| **state > 0.5);
    let exceeded: Vec<&str> = exceeded.map(|(threshold, _)| &**threshold).collect();
    assert_eq!(exceeded, ["severe_messages"]);
    agent.stop().map(|_| ())
}

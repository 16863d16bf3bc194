//! The thresholds of an operator's checklist, as states that go and come back.

use std::net::TcpStream;

use anyhow::Result;
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::metrics::by_label;
use nginx_probe_tests::nginx::Nginx;

const EXCEEDED: &str = "nginx_threshold_exceeded";
/// What the fixture's configuration allows.
const CONNECTIONS: usize = 256;

#[test]
fn slots_that_run_out_are_a_state_until_they_are_free_again() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let states = by_label(&agent.metrics()?, EXCEEDED, "threshold");
    assert!(states.len() == 8, "{states:?}");
    assert!(states.values().all(|state| *state == 0.0), "{states:?}");

    // More than there are slots: nginx drops the last ones, and says so at level `alert`.
    let connect = |_| TcpStream::connect(("127.0.0.1", nginx.port()));
    let clients = (0..CONNECTIONS).map(connect);
    let clients: Vec<TcpStream> = clients.collect::<std::io::Result<_>>()?;
    agent.wait_count(EXCEEDED, &[("threshold", "connections")], 1)?;
    agent.wait_count(EXCEEDED, &[("threshold", "severe_messages")], 1)?;
    drop(clients);
    agent.wait_count(EXCEEDED, &[("threshold", "connections")], 0)?;

    // Messages stay so for a while, and nothing else was ever so.
    let states = by_label(&agent.metrics()?, EXCEEDED, "threshold");
    let exceeded = states.iter().filter(|(_, state)| **state == 1.0);
    let exceeded: Vec<&str> = exceeded.map(|(threshold, _)| &**threshold).collect();
    assert_eq!(exceeded, ["severe_messages"]);
    agent.stop().map(|_| ())
}

//! No connection slot is left: nginx closes new connections without a word.

use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slots-accept",
    about: "no connection slot is left for clients",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| builder.workers(1).connections(32))
        .start()?;
    let port = stage.port();
    let mut held = Vec::new();
    // Each has begun a request that was read, lest nginx closes it in favour of another.
    for _ in 0..40 {
        let mut client = Client::connect(port)?;
        let _ = client.send("GET / HTTP/1.1\r\n");
        client.wait_read_or_end()?;
        held.push(client);
    }
    let last = held.last_mut().map(Client::ended);
    anyhow::ensure!(last == Some(true), "nginx has room for everybody");
    stage.wrong_since(SystemTime::now(), "worker_connections");
    stage.wait_said()?;
    drop(held);
    until_true("nginx to answer again", DEADLINE, || {
        Ok(get(port, "/") == Answer::Status(200))
    })?;
    stage.judge()
}

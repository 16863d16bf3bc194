//! Clients send their requests piece by piece, or never finish them.

use anyhow::{Result, ensure};
use nginx_probe_tests::client::{Client, request};
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slow-clients",
    about: "clients send slowly, or never finish",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let stage = set
        .location(&format!(
            "client_header_timeout 500ms;
             location /status/ {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    let mut never = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(stage.port())?;
        client.send("GET / HT")?;
        never.push(client);
        let mut slow = Client::connect(stage.port())?;
        for piece in request("GET", "/status/200/order").as_bytes().chunks(9) {
            slow.send(piece)?;
            slow.wait_read()?;
        }
        ensure!(slow.answer()? == 200);
    }
    // nginx loses its patience with them.
    for client in &mut never {
        ensure!(client.ended(), "nginx waits for ever");
    }
    stage.judge()
}

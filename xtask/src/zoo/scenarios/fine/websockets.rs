//! Websockets are cut off by `worker_shutdown_timeout` after a reload, as they must be at some time.

use anyhow::{Result, ensure};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "websockets",
    about: "websockets end with the worker that has them",
    play,
};

const UPGRADED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn play(set: Set) -> Result<Judgement> {
    let app = Fixed::holding(UPGRADED)?;
    let stage = set
        .nginx(|builder| builder.main("worker_shutdown_timeout 1s;\n"))
        .location(&format!(
            "location = /chat {{ proxy_http_version 1.1; proxy_set_header Upgrade websocket; \
             proxy_set_header Connection Upgrade; proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    let mut chats = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(stage.port())?;
        client.send(
            "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )?;
        ensure!(client.answer()? == 101, "no websocket");
        chats.push(client);
    }
    stage.nginx.reload()?;
    ensure!(chats.iter_mut().all(Client::ended), "a websocket lives on");
    stage.serve("/ok", 200, 10)?;
    stage.judge()
}

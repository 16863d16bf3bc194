//! An application closes a connection that nginx has kept, just as an order is sent on it: it is not sent again.

use anyhow::{Result, ensure};
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "idle-closed",
    about: "an application closes kept connections too early",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Fixed::once("HTTP/1.1 200 Fine\r\nContent-Length: 4\r\n\r\nfine")?;
    let mut stage = set
        .nginx(|builder| {
            builder.workers(1).http(&format!(
                "upstream app {{ server 127.0.0.1:{} max_fails=0; keepalive 1; }}\n",
                app.port()
            ))
        })
        .location(
            "location = /order { proxy_http_version 1.1; proxy_set_header Connection ''; \
             proxy_pass http://app; }",
        )
        .start()?;
    let port = stage.port();
    let mut got = clients::ask(1, 20, |_| clients::post(port, "/order", 10))?;
    got.retain(|one| one.status != Some(200));
    ensure!(got.len() > 5, "only {} orders failed", got.len());
    stage.failed(&got, 502, "upstream_closed")?;
    stage.serve("/order", 200, 20)?;
    stage.judge()
}

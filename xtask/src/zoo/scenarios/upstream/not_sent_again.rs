//! A server of an upstream closes without an answer. What only asks is sent to another one; an order is not,
//! lest it is made twice.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "not-sent-again",
    about: "an order is not sent to another server",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (closing, app) = (Fixed::closing("")?, Upstream::start()?);
    let mut stage = set
        .nginx(|builder| {
            builder.http(&format!(
                "upstream app {{ server 127.0.0.1:{} max_fails=0; server 127.0.0.1:{} backup; }}\n",
                closing.port(),
                app.port()
            ))
        })
        .location("location /status/ { proxy_pass http://app; }")
        .start()?;
    stage.serve("/status/200/order", 200, 20)?;
    let port = stage.port();
    stage.fail_by(4, 502, 20, "upstream_closed", |_| {
        clients::post(port, "/status/200/order", 100)
    })?;
    stage.judge()
}

//! One connection slot is left, which is enough for a client and not for its upstream.

use anyhow::{Result, ensure};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slots-upstream",
    about: "no connection slot is left for an upstream",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        // The agent's own question would take the slot.
        .agent(&["--stub-status-every=none"])
        .nginx(|builder| {
            builder.workers(1).connections(32).location(&format!(
                "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}",
                app.port()
            ))
        })
        .start()?;
    let port = stage.port();
    let mut held = Vec::new();
    // Each has begun a request that was read, lest nginx closes it in favour of another.
    for _ in 0..40 {
        let mut client = Client::connect(port)?;
        let _ = client.send("GET / HTTP/1.1\r\n");
        client.wait_read_or_end()?;
        if !client.is_open()? {
            break;
        }
        held.push(client);
    }
    ensure!(held.len() < 40, "nginx has room for everybody");
    drop(held.pop());
    until_true("a free slot", DEADLINE, || {
        let mut client = Client::connect(port)?;
        // With HTTP/1.0 it is nginx that closes, so that the slot is free at once.
        let _ = client.send("GET / HTTP/1.0\r\n\r\n");
        Ok(client.answer().is_ok())
    })?;
    stage.fail_by(1, 500, 15, "worker_connections", |_| {
        clients::get(port, "/status/200/order")
    })?;
    drop(held);
    until_true("nginx to answer again", DEADLINE, || {
        Ok(get(port, "/") == Answer::Status(200))
    })?;
    stage.judge()
}

//! Workers drain after a reload for longer than `worker_shutdown_timeout` lets them: requests that are in flight
//! get no answer.

use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "shutdown-timeout",
    about: "`worker_shutdown_timeout` cuts requests off",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| builder.main("worker_shutdown_timeout 1s;\n"))
        .location(&format!(
            "location /held/ {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    let mut held = Vec::new();
    for number in 0..3 {
        let mut client = Client::connect(stage.port())?;
        client.send("GET /held/200/order HTTP/1.1\r\nHost: x\r\n\r\n")?;
        until_true("the request at the upstream", DEADLINE, || {
            Ok(app.requests() > number)
        })?;
        held.push(client);
    }
    stage.nginx.reload()?;
    let at = SystemTime::now();
    let cut = held.iter_mut().filter_map(|client| client.answer().err());
    anyhow::ensure!(cut.count() == 3, "not all requests were cut off");
    stage.lost(3, at, "worker_shutdown");
    stage.serve("/ok", 200, 10)?;
    stage.judge()
}

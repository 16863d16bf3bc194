//! Clients are beyond `limit_conn` as long as one is served.

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "limit-conn",
    about: "clients are beyond `limit_conn`",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| builder.http("limit_conn_zone $server_port zone=one:1m;\n"))
        .location(&format!(
            "location /held/ {{ limit_conn one 1; proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    let mut first = Client::connect(stage.port())?;
    first.send("GET /held/200/order HTTP/1.1\r\nHost: x\r\n\r\n")?;
    until_true("the request at the upstream", DEADLINE, || {
        Ok(app.requests() == 1)
    })?;
    stage.fail("/held/200/order", 503, 20, "limited")?;
    app.release();
    anyhow::ensure!(first.answer()? == 200, "the first one is not served");
    stage.judge()
}

//! Clients go away before they are answered, or before they have asked.

use std::fmt::Write as _;

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "aborting-clients",
    about: "clients go before they are answered",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let stage = set
        .location(&format!(
            "location /held/ {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    for number in 0..20 {
        let mut request = String::new();
        write!(request, "GET /held/200/{number} HTTP/1.1\r\nHost: x\r\n")?;
        let mut half = Client::connect(stage.port())?;
        half.send(&request)?;
        half.wait_read()?;
        let mut whole = Client::connect(stage.port())?;
        whole.send(request + "\r\n")?;
        until_true("the request at the upstream", DEADLINE, || {
            Ok(app.requests() > number)
        })?;
    }
    app.release();
    stage.judge()
}

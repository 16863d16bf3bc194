//! An application answers 500 over HTTP, and nginx passes it on.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upstream-http",
    about: "an application answers 500 over HTTP",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.serve("/status/200", 200, 10)?;
    stage.fail("/status/500/order", 500, 20, "upstream_response")?;
    stage.fail("/status/503/order", 503, 10, "upstream_response")?;
    stage.judge()
}

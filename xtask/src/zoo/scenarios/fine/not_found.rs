//! A storm of requests for what is not there, in nginx and in an application.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "not-found",
    about: "a storm of 404s",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let stage = set
        .location(&format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.serve("/none", 404, 300)?;
    stage.serve("/status/404/page", 404, 300)?;
    stage.judge()
}

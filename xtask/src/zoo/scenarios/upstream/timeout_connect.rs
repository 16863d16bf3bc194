//! An application has no room for connections: connecting takes too long.

use anyhow::Result;
use nginx_probe_tests::full_listener::FullListener;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "timeout-connect",
    about: "an application does not take connections in time",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let full = FullListener::start()?;
    let mut stage = set
        .location(&format!(
            "location = /app {{ proxy_connect_timeout 200ms; proxy_pass http://127.0.0.1:{}; }}",
            full.port()
        ))
        .start()?;
    stage.fail("/app", 504, 12, "upstream_timeout")?;
    stage.judge()
}

//! An application fails while the mirror of its requests is down: the mirror has no part in it.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mirror-beside-failure",
    about: "an application fails, and its mirror is down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ mirror /mirror; proxy_pass http://127.0.0.1:{}; }}
             location = /mirror {{ internal; proxy_pass http://127.0.0.1:{}$request_uri; }}",
            app.port(),
            ports::free()?
        ))
        .start()?;
    stage.serve("/status/200/order", 200, 10)?;
    stage.fail("/status/503/order", 503, 20, "upstream_response")?;
    stage.judge()
}

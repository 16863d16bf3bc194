//! Requests are mirrored to an application that is down, and to one that fails: clients get their good answers.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mirror-dead",
    about: "mirrors of requests are down, and fail",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let failing = Upstream::failing()?;
    let stage = set
        .location(&format!(
            "location = /page {{ mirror /dead; mirror /failing; proxy_pass http://healthy; }}
             location = /file {{ mirror /dead; mirror /failing; try_files /index.html =404; }}
             location = /dead {{ internal; proxy_pass http://127.0.0.1:{}; }}
             location = /failing {{ internal; proxy_pass http://127.0.0.1:{}; }}",
            ports::free()?,
            failing.port()
        ))
        .start()?;
    stage.serve("/page", 200, 30)?;
    stage.serve("/file", 200, 30)?;
    stage.judge()
}

//! An application that is told of each request afterwards (`post_action`) is down: nobody waits for it.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "post-action",
    about: "what is told of requests afterwards is down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let stage = set
        .location(&format!(
            "location = /page {{ post_action /told; try_files /index.html =404; }}
             location = /told {{ internal; proxy_pass http://127.0.0.1:{}; }}",
            ports::free()?
        ))
        .start()?;
    stage.serve("/page", 200, 30)?;
    stage.judge()
}

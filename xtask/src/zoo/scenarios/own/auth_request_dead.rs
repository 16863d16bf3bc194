//! The application that `auth_request` asks is down: its 502 is no answer that allows or denies.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "auth-request-dead",
    about: "the application that `auth_request` asks is down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(&format!(
            "location = /private {{ auth_request /auth; }}
             location = /auth {{ internal; proxy_pass http://127.0.0.1:{}; }}",
            ports::free()?
        ))
        .start()?;
    let because = is("auth_request").or("upstream_refused");
    stage.fail("/private", 500, 20, because)?;
    stage.judge()
}

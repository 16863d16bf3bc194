//! The application that `auth_request` asks answers with a status that is neither allow nor deny.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "auth-request",
    about: "an auth subrequest answers 404 or 500",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location = /lost {{ auth_request /status/404/auth; }}
             location = /failing {{ auth_request /status/500/auth; }}
             location /status/ {{ internal; proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/lost", 500, 15, "auth_request")?;
    stage.fail("/failing", 500, 15, "auth_request")?;
    stage.judge()
}

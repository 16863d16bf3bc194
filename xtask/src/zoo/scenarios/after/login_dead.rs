//! `auth_request` denies with 401, as it should, and the login page that nginx shows then is down.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "login-dead",
    about: "the login page behind a denied request is down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let guard = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location = /guard {{ internal; proxy_pass http://127.0.0.1:{}/status/401; }}
             location = /private {{ auth_request /guard; error_page 401 = @login; }}
             location @login {{ proxy_pass http://127.0.0.1:{}; }}",
            guard.port(),
            ports::free()?
        ))
        .start()?;
    stage.fail("/private", 502, 20, "upstream_refused")?;
    stage.judge()
}

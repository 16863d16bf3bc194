//! Nobody logs what upstreams did: of requests that `auth_request` allowed and that fail in nginx, the error log
//! alone tells.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use super::PLAIN;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "plain-log-auth",
    about: "nginx fails behind `auth_request`, and a log that tells nothing",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let guard = Upstream::start()?;
    let mut stage = set
        .log_format(PLAIN)
        .location(&format!(
            "location = /guard {{ internal; proxy_pass http://127.0.0.1:{}/status/200; }}
             location /in/ {{
                 auth_request /guard;
                 location = /in/cycle {{ try_files /none /in/cycle; }}
                 location = /in/named {{ try_files /none @missing; }}
                 location = /in/none {{ proxy_pass http://unix:/none; }}
             }}",
            guard.port()
        ))
        .start()?;
    stage.fail("/in/cycle", 500, 10, "redirect_cycle")?;
    stage.fail("/in/named", 500, 10, "config_error")?;
    stage.fail("/in/none", 502, 10, "upstream_refused")?;
    stage.judge()
}

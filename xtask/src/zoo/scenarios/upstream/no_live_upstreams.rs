//! Nobody listens at any server of an upstream: the first requests are refused, those that follow find
//! no live server.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "no-live-upstreams",
    about: "every server of an upstream is taken to be down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (one, other) = (ports::free()?, ports::free()?);
    let mut stage = set
        .nginx(|builder| {
            builder
                .http(&format!(
                    "upstream app {{ server 127.0.0.1:{one} fail_timeout=60s; \
                     server 127.0.0.1:{other} fail_timeout=60s; }}\n"
                ))
                .location("location = /app { proxy_pass http://app; }")
        })
        .start()?;
    stage.fail("/app", 502, 20, "upstream_refused")?;
    stage.judge()
}

//! The name of an upstream cannot be resolved: nobody answers for its name server.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "unresolved",
    about: "the name of an upstream cannot be resolved",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(&format!(
            "location = /app {{ resolver 127.0.0.1:{} ipv6=off; resolver_timeout 300ms; \
             set $name shop.invalid; proxy_pass http://$name; }}",
            ports::free()?
        ))
        .start()?;
    stage.fail("/app", 502, 12, "upstream_refused")?;
    stage.judge()
}

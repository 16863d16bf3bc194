//! An application is known by a name, and nobody answers at the address of the resolver.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "resolver-dead",
    about: "the resolver of an application's name is down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(&format!(
            "resolver 127.0.0.1:{}; resolver_timeout 1s;
             location = /page {{ set $app app.internal; proxy_pass http://$app; }}",
            ports::free()?
        ))
        .start()?;
    stage.fail("/page", 502, 8, "upstream_refused")?;
    stage.judge()
}

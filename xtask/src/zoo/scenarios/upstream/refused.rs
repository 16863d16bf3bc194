//! Nobody listens where the application ought to be.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "refused",
    about: "nobody listens where the application ought to be",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(&format!(
            "location = /app {{ proxy_pass http://127.0.0.1:{}; }}",
            ports::free()?
        ))
        .start()?;
    stage.fail("/app", 502, 20, "upstream_refused")?;
    stage.judge()
}

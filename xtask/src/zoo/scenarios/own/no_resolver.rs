//! An upstream is named by a variable, and the configuration has no resolver.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "no-resolver",
    about: "an upstream has a name, and there is no resolver",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location("location = /app { set $name shop.invalid; proxy_pass http://$name; }")
        .start()?;
    stage.fail("/app", 502, 20, "config_error")?;
    stage.judge()
}

//! The configuration itself says to answer 500 or 503, of which nginx logs no error.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "return-500",
    about: "the configuration says `return 500`",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location("location /closed { return 500; } location /later { return 503; }")
        .start()?;
    stage.fail("/closed", 500, 20, "config_response")?;
    stage.fail("/later", 503, 10, "config_response")?;
    stage.judge()
}

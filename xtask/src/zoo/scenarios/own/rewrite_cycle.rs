//! A `rewrite` leads to its own location, until nginx gives up.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "rewrite-cycle",
    about: "a rewrite leads to itself",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location("location /cycle { rewrite ^ /cycle last; }")
        .start()?;
    stage.fail("/cycle", 500, 20, "redirect_cycle")?;
    stage.judge()
}

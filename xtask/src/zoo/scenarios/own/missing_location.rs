//! The configuration names a location that does not exist, and no upstream has a part in it.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "missing-location",
    about: "a named location does not exist",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location("location = /page { try_files /none @gone; }")
        .start()?;
    stage.fail("/page", 500, 20, "config_error")?;
    stage.judge()
}

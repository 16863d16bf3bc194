//! Internal redirections lead to themselves, by `try_files` and by named locations.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "redirect-cycle",
    about: "internal redirections lead to themselves",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(
            "location /tried { try_files /none /tried; }
             location = /named { try_files /none @a; }
             location @a { try_files /none @b; }
             location @b { try_files /none @a; }",
        )
        .start()?;
    stage.fail("/tried", 500, 15, "redirect_cycle")?;
    stage.fail("/named", 500, 15, "redirect_cycle")?;
    stage.judge()
}

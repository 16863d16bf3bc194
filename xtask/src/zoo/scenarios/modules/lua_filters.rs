//! A Lua script that filters answers raises: the client is sent nothing at all, or no end.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lua-filters",
    about: "a Lua filter raises, and clients get nothing",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(
            "location = /head { header_filter_by_lua_block { error('no such header') } return 200 x; }
             location = /body { body_filter_by_lua_block { error('no such word') } return 200 x; }",
        )
        .start()?;
    stage.fail_unsent("/head", 200, 10, "lua_error")?;
    stage.fail_unsent("/body", 200, 10, "lua_error")?;
    stage.judge()
}

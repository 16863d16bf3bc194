//! A Lua handler fails in nginx itself.

use anyhow::Result;
use nginx_probe_tests::faults::Fault;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lua-error",
    about: "a Lua handler fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.fail(Fault::LuaError.path(), 500, 20, "lua_error")?;
    stage.judge()
}

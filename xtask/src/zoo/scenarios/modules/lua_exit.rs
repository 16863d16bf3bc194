//! A Lua script answers with a failure by itself: nothing went wrong in it.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lua-exit",
    about: "a Lua script says 500 and 503",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(
            "location = /exit { content_by_lua_block { ngx.exit(503) } }
             location = /guard { access_by_lua_block { ngx.exit(500) } try_files /index.html =404; }
             location = /sets { content_by_lua_block { ngx.status = 500 ngx.say('sorry') } }
             location = /said { content_by_lua_block {
                 ngx.log(ngx.ERR, 'the database is gone') ngx.exit(500) } }",
        )
        .start()?;
    stage.fail("/exit", 503, 10, "script_response")?;
    for path in ["/guard", "/sets", "/said"] {
        stage.fail(path, 500, 10, "script_response")?;
    }
    stage.judge()
}

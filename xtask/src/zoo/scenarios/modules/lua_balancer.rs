//! A Lua script chooses the server of an upstream: it raises, chooses one that is down, or gives up.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lua-balancer",
    about: "a Lua balancer raises, and chooses badly",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let dead = ports::free()?;
    let mut stage = set
        .nginx(|builder| {
            builder
                .http("upstream raises { server 0.0.0.1; balancer_by_lua_block { error('none') } }\n")
                .http("upstream gives_up { server 0.0.0.1; balancer_by_lua_block { ngx.exit(500) } }\n")
        })
        .location(
            "location = /raises { proxy_pass http://raises; }
             location = /gives-up { proxy_pass http://gives_up; }
             location = /chosen { proxy_pass http://chosen; }",
        )
        .nginx(|builder| {
            builder.http(&format!(
                "upstream chosen {{ server 0.0.0.1; balancer_by_lua_block {{ \
                 require('ngx.balancer').set_current_peer('127.0.0.1', {dead}) }} }}\n"
            ))
        })
        .start()?;
    stage.fail("/raises", 500, 10, "lua_error")?;
    stage.fail("/gives-up", 500, 10, "script_response")?;
    stage.fail("/chosen", 502, 10, "upstream_refused")?;
    stage.judge()
}

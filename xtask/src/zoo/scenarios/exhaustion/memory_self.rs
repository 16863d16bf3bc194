//! An allocation fails in a worker whose upstream is another server of the same nginx.

use anyhow::Result;
use nginx_probe_tests::exhaustion::LUA;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "memory-self",
    about: "an allocation fails, and nginx is its own upstream",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| {
            builder.workers(1).http(LUA).location(
                "location = /app {
                    rewrite_by_lua_block { limit(64) } log_by_lua_block { limit(nil) }
                    proxy_buffer_size 512m; proxy_buffers 2 512m; proxy_busy_buffers_size 512m;
                    proxy_pass http://healthy;
                }",
            )
        })
        .start()?;
    let port = stage.port();
    stage.fail_by(1, 500, 20, "memory_exhaustion", |_| {
        clients::get(port, "/app")
    })?;
    stage.judge()
}

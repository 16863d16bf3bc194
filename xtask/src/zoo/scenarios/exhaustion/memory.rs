//! An allocation fails: the worker's address space is limited.

use anyhow::Result;
use nginx_probe_tests::exhaustion::LUA;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "memory",
    about: "an allocation fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| {
            builder.workers(1).http(LUA).location(&format!(
                "location /status/ {{
                    rewrite_by_lua_block {{ limit(64) }} log_by_lua_block {{ limit(nil) }}
                    proxy_buffer_size 512m; proxy_buffers 2 512m; proxy_busy_buffers_size 512m;
                    proxy_pass http://127.0.0.1:{};
                }}",
                app.port()
            ))
        })
        .start()?;
    let port = stage.port();
    stage.fail_by(1, 500, 20, "memory_exhaustion", |_| {
        clients::get(port, "/status/200/order")
    })?;
    stage.judge()
}

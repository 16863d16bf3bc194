//! The application is another nginx, whose Lua fails: to the one in front it is an upstream's 500.

use anyhow::Result;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::nginx::Nginx;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upstream-lua",
    about: "another nginx fails in Lua and answers 500",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Nginx::builder().workers(1).start()?;
    let path = Fault::LuaError.path();
    let mut stage = set
        .location(&format!(
            "location = /app {{ proxy_pass http://127.0.0.1:{}{path}; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/app", 500, 20, "upstream_response")?;
    stage.judge()
}

//! No descriptor is left for the socket to an upstream.

use anyhow::Result;
use nginx_probe_tests::exhaustion::{EAT, LUA};

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fds-upstream",
    about: "no descriptor is left for an upstream",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| {
            builder
                .workers(1)
                .main("worker_rlimit_nofile 200;")
                .http(LUA)
                .location(&format!(
                    "location = /app {{ {EAT} proxy_pass http://healthy; }}"
                ))
        })
        .start()?;
    let port = stage.port();
    stage.fail_by(1, 500, 20, "fd_exhaustion", |_| clients::get(port, "/app"))?;
    stage.judge()
}

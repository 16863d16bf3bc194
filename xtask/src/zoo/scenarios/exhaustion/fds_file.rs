//! No descriptor is left to open a static file.

use anyhow::Result;
use nginx_probe_tests::exhaustion::{EAT, LUA};

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fds-file",
    about: "no descriptor is left for a static file",
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
                    "location = /page {{ {EAT} alias html/index.html; }}"
                ))
        })
        .start()?;
    let port = stage.port();
    stage.fail_by(1, 500, 20, "fd_exhaustion", |_| clients::get(port, "/page"))?;
    stage.judge()
}

//! A worker spins in a handler and returns to its event loop no more.

use std::thread;
use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::http::get;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hung-spinning",
    about: "a worker spins",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .agent(&["--hang-after=1s"])
        .location("location = /spin { content_by_lua_block { while true do end } }")
        .start()?;
    let port = stage.port();
    let began = SystemTime::now();
    // It ends with nginx.
    thread::spawn(move || get(port, "/spin"));
    stage.wrong_since(began, "worker_hung");
    stage.wait_said()?;
    stage.judge()
}

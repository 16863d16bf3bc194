//! A binary upgrade by USR2, WINCH and QUIT while requests come.

use std::time::Duration;

use anyhow::{Result, ensure};
use nginx_probe_tests::http::Load;
use nginx_probe_tests::processes::{Signal, signal, wait_gone};
use nginx_probe_tests::wait::DEADLINE;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upgrade",
    about: "a binary upgrade under load",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let stage = set.start()?;
    let load = Load::start(stage.port(), &["/ok", "/"], 20_000, Duration::from_mins(1));
    let before = stage.nginx.workers()?;
    let old = stage.nginx.upgrade()?;
    signal(old, Signal::WINCH)?;
    for worker in before {
        wait_gone(worker, DEADLINE)?;
    }
    signal(old, Signal::QUIT)?;
    wait_gone(old, DEADLINE)?;
    let counts = load.stop()?;
    ensure!(counts.statuses.keys().eq([&200]), "{counts:?}");
    stage.judge()
}

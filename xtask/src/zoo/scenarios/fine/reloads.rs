//! Ten reloads while requests come.

use std::time::Duration;

use anyhow::{Result, ensure};
use nginx_probe_tests::http::Load;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "reloads",
    about: "ten reloads under load",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let stage = set.start()?;
    let load = Load::start(stage.port(), &["/ok", "/"], 20_000, Duration::from_mins(1));
    for _ in 0..10 {
        let before = load.sent();
        stage.nginx.reload()?;
        until_true("requests between reloads", DEADLINE, || {
            Ok(load.sent() > before + 10)
        })?;
    }
    let counts = load.stop()?;
    ensure!(counts.statuses.keys().eq([&200]), "{counts:?}");
    stage.judge()
}

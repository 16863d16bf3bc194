//! Logs are rotated by renaming and USR1 while requests come.

use std::fs;

use anyhow::Result;
use nginx_probe_tests::processes::Signal;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "rotation",
    about: "logs are rotated",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let stage = set.start()?;
    let folder = stage.nginx.folder().to_path_buf();
    for round in 1..=3 {
        stage.serve("/ok", 200, 20)?;
        stage.serve("/none", 404, 20)?;
        for log in ["access.log", "error.log"] {
            fs::rename(folder.join(log), folder.join(format!("{log}.{round}")))?;
        }
        stage.nginx.signal(Signal::USR1)?;
        until_true("new logs", DEADLINE, || {
            Ok(folder.join("access.log").exists() && folder.join("error.log").exists())
        })?;
    }
    stage.serve("/ok", 200, 20)?;
    stage.judge()
}

//! Somebody kills workers by hand: `kill -9`.

use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use nginx_probe_tests::processes::{Signal, signal};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kill-9",
    about: "somebody kills a worker",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    for _ in 0..3 {
        let before = stage.nginx.wait_serving()?;
        signal(*before.first().context("a worker")?, Signal::KILL)?;
        stage.died("killed", SystemTime::now(), "worker_killed");
        stage.nginx.wait_replaced(&before)?;
    }
    stage.judge()
}

//! Somebody kills the master: its workers serve on, and nobody replaces or reloads them.

use std::time::SystemTime;

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "master-killed",
    about: "somebody kills the master",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.nginx.kill_master()?;
    let because = is("master_died").or_untold_in(&[Mode::Logs]);
    stage.wrong_since(SystemTime::now(), because);
    stage.serve("/ok", 200, 10)?;
    stage.judge()
}

//! Workers crash one after the other: each death is told, and all of them are one incident.

use anyhow::Result;
use nginx_probe_tests::faults::Fault;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "crash-loop",
    about: "workers crash again and again",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.die_of(Fault::WildWrite, "crash", 12, "worker_crash")?;
    stage.judge()
}

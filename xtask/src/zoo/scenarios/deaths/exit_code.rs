//! A worker ends with an exit code that is not 0.

use anyhow::Result;
use nginx_probe_tests::faults::Fault;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "exit-code",
    about: "a worker ends with an exit code",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.die_of(Fault::Exit, "error_exit", 1, "worker_crash")?;
    stage.judge()
}

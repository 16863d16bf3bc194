//! A worker aborts itself, as glibc does on a corrupted heap: SIGABRT.

use anyhow::Result;
use nginx_probe_tests::faults::Fault;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "abort",
    about: "a worker aborts: SIGABRT",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.die_of(Fault::Abort, "crash", 1, "worker_crash")?;
    stage.judge()
}

//! A worker crashes inside nginx's own code: SIGSEGV.

use anyhow::Result;
use nginx_probe_tests::faults::Fault;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "segv",
    about: "a worker crashes: SIGSEGV inside nginx",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.die_of(Fault::Segv, "crash", 1, "worker_crash")?;
    stage.judge()
}

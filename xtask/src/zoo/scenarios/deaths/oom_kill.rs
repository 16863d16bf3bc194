//! A worker eats the memory of its control group, and the kernel kills it.

use anyhow::Result;
use nginx_probe_tests::cgroup::Cgroup;
use nginx_probe_tests::faults::Fault;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "oom-kill",
    about: "the kernel kills a worker for want of memory",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let group = Cgroup::new(64 << 20)?;
    let mut stage = set.start()?;
    group.add(stage.nginx.master()?)?;
    for worker in stage.nginx.workers()? {
        group.add(worker)?;
    }
    stage.die_of(Fault::EatMemory, "oom_kill", 1, "worker_oom_kill")?;
    stage.judge()
}

//! Somebody stops nginx and starts it again.

use anyhow::Result;
use nginx_probe_tests::records::wait_worker;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "stop-and-start",
    about: "nginx is stopped and started again",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.serve("/ok", 200, 20)?;
    stage.nginx.quit()?;
    stage.nginx.start_again()?;
    for worker in stage.nginx.wait_serving()? {
        wait_worker(&stage.agent, &stage.nginx, worker)?;
    }
    stage.serve("/ok", 200, 20)?;
    stage.judge()
}

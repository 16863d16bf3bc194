//! More requests come than `limit_req` allows: the first is served, the others are refused.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "limit-req",
    about: "more requests than `limit_req` allows",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| {
            builder
                .http("limit_req_zone $server_port zone=few:1m rate=1r/m;\n")
                .location("location = /page { limit_req zone=few; alias html/index.html; }")
        })
        .start()?;
    stage.serve("/page", 200, 1)?;
    stage.fail("/page", 503, 20, "limited")?;
    stage.judge()
}

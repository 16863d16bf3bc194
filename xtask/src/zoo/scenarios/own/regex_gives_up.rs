//! A regular expression of the configuration gives up on a path that it takes too long for.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "regex-gives-up",
    about: "a regular expression gives up on a long path",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| builder.http("large_client_header_buffers 4 64k;\n"))
        .location("location ~ ^/(([a-z0-9]|-)+/?)+[.]php$ { return 200 php; }")
        .start()?;
    let path = format!("/{}!", "a".repeat(9000));
    stage.serve("/page", 404, 5)?;
    stage.fail(&path, 500, 10, "config_error")?;
    stage.judge()
}

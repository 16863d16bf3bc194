//! Somebody renames the access log, nginx writes on into the renamed file, and it is renamed back: nothing is
//! counted twice, and nothing is missed.

use std::fs;

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "log-renamed",
    about: "the access log is renamed, and renamed back",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    let log = stage.nginx.access_log();
    let away = log.with_extension("away");
    let has_log = log.exists();
    stage.fail("/fail", 500, 10, "upstream_response")?;
    stage.wait_said()?;
    if has_log {
        fs::rename(&log, &away)?;
    }
    stage.fail("/fail", 500, 10, "upstream_response")?;
    stage.wait_said()?;
    if has_log {
        fs::rename(&away, &log)?;
    }
    stage.fail("/fail", 500, 10, "upstream_response")?;
    stage.judge()
}

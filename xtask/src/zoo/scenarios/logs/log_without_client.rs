//! The access log names no client: the error log does, which tells what failed.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "log-without-client",
    about: "the access log names no client",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .log_format("$time_iso8601 \"$request\" $status $request_time")
        .location(&format!(
            "location = /dead {{ proxy_pass http://127.0.0.1:{}; }}
             location = /named {{ try_files /none @missing; }}",
            ports::free()?
        ))
        .start()?;
    stage.fail("/dead", 502, 15, "upstream_refused")?;
    stage.fail("/named", 500, 15, "config_error")?;
    stage.judge()
}

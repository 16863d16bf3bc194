//! A server of an upstream ends gracefully and is started anew: the other one saves what it refuses.

use std::time::Duration;

use anyhow::{Result, ensure};
use nginx_probe_tests::http::Load;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upstream-replaced",
    about: "a server of an upstream is drained and replaced",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (mut one, other) = (Nginx::builder().start()?, Nginx::builder().start()?);
    let stage = set
        .nginx(|builder| {
            builder
                .http(&format!(
                    "upstream app {{ server 127.0.0.1:{} fail_timeout=1s; server 127.0.0.1:{}; }}\n",
                    one.port(),
                    other.port()
                ))
                .location("location = /app { proxy_pass http://app/; }")
        })
        .start()?;
    let load = Load::start(stage.port(), &["/app"], 20_000, Duration::from_mins(1));
    let more = |count: u64| {
        let before = load.sent();
        until_true("requests", DEADLINE, || Ok(load.sent() > before + count))
    };
    more(50)?;
    one.quit()?;
    more(100)?;
    one.start_again()?;
    more(100)?;
    let counts = load.stop()?;
    ensure!(
        counts.statuses.keys().eq([&200]) && counts.broken == 0,
        "{counts:?}"
    );
    stage.judge()
}

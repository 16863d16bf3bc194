//! An application fails or is down, and clients are served what the cache kept of better days.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "stale-cache",
    about: "a stale page of the cache hides an outage",
    play,
};

/// What is kept for a second is stale after this long: nginx counts in whole seconds.
const STALE: Duration = Duration::from_millis(2100);

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| builder.http("proxy_cache_path tmp/cache keys_zone=kept:1m;\n"))
        .location(&format!(
            "proxy_cache_key page; proxy_cache_valid 200 1s;
             proxy_cache_use_stale error timeout http_500;
             location /status/ {{ proxy_cache kept; proxy_pass http://127.0.0.1:{}; }}
             location = /dead {{ proxy_cache kept; proxy_pass http://127.0.0.1:{}; }}",
            app.port(),
            ports::free()?
        ))
        .start()?;
    stage.serve("/status/200/page", 200, 1)?;
    thread::sleep(STALE);
    stage.fail("/status/500/page", 200, 15, "upstream_masked")?;
    stage.fail("/dead", 200, 15, "upstream_masked")?;
    stage.judge()
}

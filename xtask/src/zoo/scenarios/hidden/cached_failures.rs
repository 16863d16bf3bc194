//! Failing answers of an application are kept in the cache, and served from there. The switch that would say
//! 503 for maintenance is off.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cached-failures",
    about: "failing answers come out of the cache",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| builder.http("proxy_cache_path tmp/cache keys_zone=kept:1m;\n"))
        .location(&format!(
            "if (-f $document_root/maintenance) {{ return 503; }}
             location /status/ {{ proxy_cache kept; proxy_cache_key $uri; \
                 proxy_cache_valid 500 503 10m; proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/status/500/page", 500, 20, "upstream_response")?;
    stage.fail("/status/503/page", 503, 20, "upstream_response")?;
    anyhow::ensure!(app.requests() < 20, "nothing came out of the cache");
    stage.judge()
}

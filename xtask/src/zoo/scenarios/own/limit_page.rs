//! `limit_req` refuses, and the page that says so comes from an application: it answers 503 too, or it is down.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "limit-page",
    about: "the page of `limit_req` comes from an application",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| {
            builder
                .http("limit_req_zone $server_port zone=one:1m rate=1r/m;\n")
                .http("limit_req_zone $server_port zone=other:1m rate=1r/m;\n")
        })
        .location(&format!(
            "location = /busy {{ limit_req zone=one; error_page 503 @busy; try_files /index.html =404; }}
             location = /dead {{ limit_req zone=other; error_page 503 @dead; try_files /index.html =404; }}
             location @busy {{ rewrite ^ /status/503/page break; proxy_pass http://127.0.0.1:{}; }}
             location @dead {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port(),
            ports::free()?
        ))
        .start()?;
    stage.serve("/busy", 200, 1)?;
    stage.serve("/dead", 200, 1)?;
    stage.fail("/busy", 503, 15, "limited")?;
    stage.fail("/dead", 502, 15, "upstream_refused")?;
    stage.judge()
}

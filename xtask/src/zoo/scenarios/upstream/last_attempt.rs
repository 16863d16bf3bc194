//! Two servers of an upstream fail in different ways: what the client is sent is the fault of the last one.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "last-attempt",
    about: "two servers of an upstream fail in different ways",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (app, dead) = (Upstream::start()?, ports::free()?);
    let port = app.port();
    let mut stage = set
        .nginx(|builder| {
            builder.http(&format!(
                "proxy_next_upstream error http_503;
                 upstream dead_first {{ server 127.0.0.1:{dead} max_fails=0; \
                     server 127.0.0.1:{port} max_fails=0 backup; }}
                 upstream dead_last {{ server 127.0.0.1:{port} max_fails=0; \
                     server 127.0.0.1:{dead} max_fails=0 backup; }}\n"
            ))
        })
        .location(
            "location /first/ { proxy_pass http://dead_first/; }
             location /last/ { proxy_pass http://dead_last/; }",
        )
        .start()?;
    stage.fail("/first/status/503/order", 503, 15, "upstream_response")?;
    stage.fail("/last/status/503/order", 502, 15, "upstream_refused")?;
    stage.judge()
}

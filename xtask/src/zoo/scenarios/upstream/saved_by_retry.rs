//! One server of an upstream refuses, another answers 500: a third saves each request, so that nothing
//! fails.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "saved-by-retry",
    about: "another server of the upstream saves each request",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (app, failing, dead) = (Upstream::start()?, Upstream::failing()?, ports::free()?);
    let stage = set
        .nginx(|builder| {
            builder
                .http(&format!(
                    "upstream app {{ server 127.0.0.1:{} max_fails=0; server 127.0.0.1:{} max_fails=0; \
                     server 127.0.0.1:{} backup; }}\n",
                    dead,
                    failing.port(),
                    app.port()
                ))
                .location(
                    "location /status/ { proxy_next_upstream error timeout http_500; \
                     proxy_pass http://app; }",
                )
        })
        .start()?;
    stage.serve("/status/200/order", 200, 40)?;
    stage.judge()
}

//! A load balancer in front says who the client is, in a line before each request.

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "proxy-protocol",
    about: "clients come through a balancer that speaks PROXY",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (app, behind) = (Upstream::start()?, ports::free()?);
    let mut stage = set
        .location(&format!(
            "listen 127.0.0.1:{behind} proxy_protocol;
             set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
             location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location = /dead {{ proxy_pass http://127.0.0.1:{}; }}
             location = /closed {{ return 503; }}",
            app.port(),
            ports::free()?
        ))
        .start()?;
    for (path, status, cause) in [
        ("/status/500/order", 500, "upstream_response"),
        ("/dead", 502, "upstream_refused"),
        ("/closed", 503, "config_response"),
    ] {
        stage.fail_by(4, status, 10, cause, |_| {
            let mut client = Client::connect(behind)?;
            client.send("PROXY TCP4 192.0.2.7 192.0.2.1 50000 80\r\n")?;
            client.get(path)
        })?;
    }
    stage.judge()
}

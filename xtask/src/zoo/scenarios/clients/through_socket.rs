//! Clients come through a unix socket, as from a tunnel or a balancer on the same host. The client is another
//! nginx.

use anyhow::Result;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "through-socket",
    about: "clients come through a unix socket",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (folder, app) = (folder()?, Upstream::start()?);
    let socket = folder.path().join("nginx");
    let mut stage = set
        .location(&format!(
            "listen unix:{};
             location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location = /dead {{ proxy_pass http://127.0.0.1:{}; }}
             location = /closed {{ return 503; }}",
            socket.display(),
            app.port(),
            ports::free()?
        ))
        .start()?;
    let client = Nginx::builder()
        .workers(1)
        .location(&format!(
            "location /in/ {{ proxy_pass http://unix:{}:/; }}",
            socket.display()
        ))
        .start()?;
    let port = client.port();
    for (path, status, cause) in [
        ("/in/status/500/order", 500, "upstream_response"),
        ("/in/dead", 502, "upstream_refused"),
        ("/in/closed", 503, "config_response"),
    ] {
        stage.fail_by(4, status, 10, cause, |_| clients::get(port, path))?;
    }
    stage.judge()
}

//! No descriptor is left for some requests, while an upstream does not answer others in time.

use anyhow::Result;
use nginx_probe_tests::exhaustion::{EAT, LUA};
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fds-and-timeout",
    about: "no descriptors beside an upstream that is late",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| {
            builder
                .workers(1)
                .main("worker_rlimit_nofile 200;")
                .http(LUA)
                .location(&format!(
                    "location = /page {{ {EAT} alias html/index.html; }}
                     location /silent {{ proxy_read_timeout 200ms; proxy_pass http://127.0.0.1:{}; }}",
                    app.port()
                ))
        })
        .start()?;
    let cases = vec![
        ("/page", 500, "fd_exhaustion"),
        ("/silent/order", 504, "upstream_timeout"),
    ];
    stage.fail_together(cases, 15)?;
    stage.judge()
}

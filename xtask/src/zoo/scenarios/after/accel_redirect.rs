//! An application answers well and sends nginx elsewhere (`X-Accel-Redirect`): to a store that is down, to one
//! that fails, into a cycle, to a file that is not there.

use anyhow::Result;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "accel-redirect",
    about: "where X-Accel-Redirect leads fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let store = Upstream::start()?;
    let app = Nginx::builder()
        .workers(1)
        .location(
            "location ~ ^/to/(?<where>.*)$ { add_header X-Accel-Redirect /own/$where; return 200 x; }",
        )
        .start()?;
    let mut stage = set
        .location(&format!(
            "location /app/ {{ proxy_pass http://127.0.0.1:{}/to/; }}
             location /own/ {{ internal; }}
             location /own/cycle {{ internal; try_files /none /own/cycle; }}
             location /own/dead {{ internal; proxy_pass http://127.0.0.1:{}; }}
             location /own/store/ {{ internal; proxy_pass http://127.0.0.1:{}/; }}",
            app.port(),
            ports::free()?,
            store.port()
        ))
        .start()?;
    stage.serve("/app/none", 404, 10)?;
    stage.fail("/app/cycle", 500, 10, "redirect_cycle")?;
    stage.fail("/app/dead", 502, 10, "upstream_refused")?;
    stage.fail("/app/store/status/503/file", 503, 10, "upstream_response")?;
    stage.judge()
}

//! An application does not have the page (404), and the older one that is asked instead is down, fails, or is
//! found by a name that leads in a circle.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fallback-fails",
    about: "the application behind `error_page 404` fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "proxy_intercept_errors on;
             location /dead/ {{ error_page 404 = @dead; proxy_pass http://127.0.0.1:{0}/; }}
             location /old/ {{ error_page 404 = @old; proxy_pass http://127.0.0.1:{0}/; }}
             location /circle/ {{ error_page 404 = @circle; proxy_pass http://127.0.0.1:{0}/; }}
             location @dead {{ proxy_pass http://127.0.0.1:{1}; }}
             location @old {{ rewrite ^ /status/503/page break; proxy_pass http://127.0.0.1:{0}; }}
             location @circle {{ try_files /none @circle; }}",
            app.port(),
            ports::free()?
        ))
        .start()?;
    stage.fail("/dead/status/404/page", 502, 10, "upstream_refused")?;
    stage.fail("/old/status/404/page", 503, 10, "upstream_response")?;
    stage.fail("/circle/status/404/page", 500, 10, "redirect_cycle")?;
    stage.judge()
}

//! An upstream answers 404, of which `error_page 404 =500` makes a 500.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "intercepted-status",
    about: "a 404 is made a 500 by error_page",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_intercept_errors on; error_page 404 =500 /index.html; \
             proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/status/404/page", 500, 20, "upstream_intercepted")?;
    stage.judge()
}

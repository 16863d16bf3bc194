//! An upstream answers 404, and the location of the error page returns 500.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "intercepted-failing",
    about: "an answer is replaced by a page that fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_intercept_errors on; error_page 404 /sorry; \
             proxy_pass http://127.0.0.1:{}; }}
             location = /sorry {{ return 500; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/status/404/page", 500, 20, "upstream_intercepted")?;
    stage.judge()
}

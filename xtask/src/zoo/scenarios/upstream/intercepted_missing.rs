//! An upstream answers 404, for which the configuration names a location that does not exist: both are
//! true, that its answer was intercepted and that the configuration is wrong.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "intercepted-missing",
    about: "an answer is replaced by a page that does not exist",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_intercept_errors on; error_page 404 @none; \
             proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    let because = is("upstream_intercepted").or("config_error");
    stage.fail("/status/404/page", 500, 20, because)?;
    stage.judge()
}

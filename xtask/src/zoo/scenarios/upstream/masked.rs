//! An upstream answers 500, and the client is sent something better: a page with 200, or the 404 of an
//! error page that is no file.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "masked",
    about: "a 500 is made a 200 or a 404 by error_page",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "proxy_intercept_errors on;
             location /better/ {{ error_page 500 =200 /index.html; proxy_pass http://127.0.0.1:{0}/; }}
             location /gone/ {{ error_page 500 /no-such-page.html; proxy_pass http://127.0.0.1:{0}/; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/better/status/500/order", 200, 15, "upstream_masked")?;
    stage.fail("/gone/status/500/order", 404, 15, "upstream_masked")?;
    stage.judge()
}

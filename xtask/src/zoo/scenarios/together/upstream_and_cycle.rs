//! An upstream's 500 beside a rewrite cycle: the same status, and two causes.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upstream-and-cycle",
    about: "an upstream's 500 beside a rewrite cycle",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location /cycle {{ rewrite ^ /cycle last; }}",
            app.port()
        ))
        .start()?;
    let cases = vec![
        ("/status/500/order", 500, "upstream_response"),
        ("/cycle", 500, "redirect_cycle"),
    ];
    stage.fail_together(cases, 20)?;
    stage.judge()
}

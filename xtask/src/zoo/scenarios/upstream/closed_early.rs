//! An application closes the connection without a byte.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "closed-early",
    about: "an application closes without an answer",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /close {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/close/order", 502, 20, "upstream_closed")?;
    stage.judge()
}

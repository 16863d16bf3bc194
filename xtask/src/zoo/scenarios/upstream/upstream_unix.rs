//! An application answers 500 on a unix socket.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upstream-unix",
    about: "an application answers 500 on a unix socket",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    let socket = folder.path().join("app.sock");
    let app = Upstream::start()?;
    app.also_at(&socket)?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_pass http://unix:{}; }}",
            socket.display()
        ))
        .start()?;
    stage.fail("/status/500/order", 500, 20, "upstream_response")?;
    stage.judge()
}

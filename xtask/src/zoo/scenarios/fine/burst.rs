//! A burst of requests from many clients at once.

use anyhow::Result;

use crate::zoo::clients::{self, ensure_all};
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "burst",
    about: "a burst of traffic",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let stage = set.start()?;
    let port = stage.port();
    for path in ["/index.html", "/ok"] {
        let got = clients::ask(64, 1000, |_| clients::get(port, path))?;
        ensure_all(&got, 200)?;
    }
    stage.judge()
}

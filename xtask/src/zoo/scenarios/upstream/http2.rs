//! Clients speak HTTP/2, where a status is packed.

use anyhow::Result;
use nginx_probe_tests::http2::Http2;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::opaque::{Applications, fail_each};
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "http2",
    about: "applications fail behind clients that speak HTTP/2",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (applications, http2) = (Applications::start()?, ports::free()?);
    let mut stage = set
        .location(&format!("listen 127.0.0.1:{http2} http2;"))
        .location(&applications.locations())
        .start()?;
    fail_each(&mut stage, |path| Http2::connect(http2)?.get(path))?;
    stage.judge()
}

//! An application closes while a large body is passed on to it as it comes: it has not read it all, so that its
//! end is a reset.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upload-refused",
    about: "an application closes in the middle of an upload",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (app, resetting) = (Fixed::closing("")?, Fixed::once("")?);
    let mut stage = set
        .location(&format!(
            "client_max_body_size 8m; proxy_request_buffering off; proxy_http_version 1.1;
             location = /closed {{ proxy_pass http://127.0.0.1:{}; }}
             location = /reset {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port(),
            resetting.port()
        ))
        .start()?;
    let port = stage.port();
    for path in ["/closed", "/reset"] {
        stage.fail_by(4, 502, 10, "upstream_closed", |_| {
            clients::post(port, path, 100_000)
        })?;
    }
    stage.judge()
}

//! Clients ask before they send a body, as curl does: nginx says 100, and then the request fails.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

use anyhow::{Result, ensure};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "expect-continue",
    about: "requests fail after `100 Continue`",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (folder, app) = (folder()?, Upstream::start()?);
    let bodies = folder.path().join("bodies");
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location = /dead {{ proxy_pass http://127.0.0.1:{}; }}
             location = /denied {{ client_body_buffer_size 1k; client_body_temp_path {}; \
                 proxy_pass http://healthy; }}",
            app.port(),
            ports::free()?,
            bodies.display()
        ))
        .start()?;
    chown(&bodies, Some(0), Some(0))?;
    fs::set_permissions(&bodies, Permissions::from_mode(0o700))?;
    let port = stage.port();
    for (path, status, cause) in [
        ("/status/500/order", 500, "upstream_response"),
        ("/dead", 502, "upstream_refused"),
        ("/denied", 500, "permission_denied"),
    ] {
        stage.fail_by(4, status, 10, cause, |_| post(port, path))?;
    }
    stage.judge()
}

fn post(port: u16, path: &str) -> Result<u16> {
    let mut client = Client::connect(port)?;
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
    ))?;
    let first = client.answer()?;
    if first == 100 {
        // nginx may answer and close before it has taken everything.
        let _ = client.send("x".repeat(5000));
        return client.answer();
    }
    ensure!(first >= 500, "nginx says {first}");
    Ok(first)
}

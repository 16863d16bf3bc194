//! `auth_request` allows each request, and then nginx itself fails: the one who was asked did well.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "after-auth",
    about: "an allowed request fails in nginx itself",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (guard, folder) = (Upstream::start()?, folder()?);
    let bodies = folder.path().join("bodies");
    let mut stage = set
        .location(&format!(
            "location = /guard {{ internal; proxy_pass_request_body off; \
             proxy_set_header Content-Length ''; proxy_pass http://127.0.0.1:{}/status/200; }}
             location /in/ {{
                 auth_request /guard;
                 location = /in/cycle {{ try_files /none /in/cycle; }}
                 location = /in/named {{ try_files /none @missing; }}
                 location = /in/strict {{ try_files /none =500; }}
                 location = /in/upload {{ client_body_buffer_size 1k; \
                     client_body_temp_path {}; proxy_pass http://healthy; }}
             }}",
            guard.port(),
            bodies.display()
        ))
        .start()?;
    chown(&bodies, Some(0), Some(0))?;
    fs::set_permissions(&bodies, Permissions::from_mode(0o700))?;
    stage.fail("/in/cycle", 500, 10, "redirect_cycle")?;
    stage.fail("/in/named", 500, 10, "config_error")?;
    stage.fail("/in/strict", 500, 10, "config_response")?;
    let port = stage.port();
    stage.fail_by(4, 500, 10, "permission_denied", |_| {
        clients::post(port, "/in/upload", 20_000)
    })?;
    stage.judge()
}

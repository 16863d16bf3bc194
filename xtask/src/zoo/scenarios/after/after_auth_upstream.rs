//! `auth_request` allows each request, and then nginx does not get as far as a connection to the application.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "after-auth-upstream",
    about: "an allowed request finds no application",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (guard, folder) = (Upstream::start()?, folder()?);
    let closed = folder.path().join("closed");
    let _closed = UnixListener::bind(&closed)?;
    std::fs::set_permissions(&closed, Permissions::from_mode(0o600))?;
    let mut stage = set
        .nginx(|builder| builder.http("upstream down { server 127.0.0.1:1 down; }\n"))
        .location(&format!(
            "location = /guard {{ internal; proxy_pass http://127.0.0.1:{}/status/200; }}
             location /in/ {{
                 auth_request /guard;
                 location = /in/refused {{ proxy_pass http://127.0.0.1:{}; }}
                 location = /in/down {{ proxy_pass http://down; }}
                 location = /in/no-socket {{ proxy_pass http://unix:{2}/none; }}
                 location = /in/closed-socket {{ proxy_pass http://unix:{2}/closed; }}
                 location = /in/no-resolver {{ set $host_of_app app.internal; \
                     proxy_pass http://$host_of_app; }}
             }}",
            guard.port(),
            ports::free()?,
            folder.path().display()
        ))
        .start()?;
    for path in ["/in/refused", "/in/down", "/in/no-socket"] {
        stage.fail(path, 502, 10, "upstream_refused")?;
    }
    stage.fail("/in/closed-socket", 502, 10, "permission_denied")?;
    stage.fail("/in/no-resolver", 502, 10, "config_error")?;
    stage.judge()
}

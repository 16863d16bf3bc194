//! The socket of an application is its owner's alone, so that workers may not connect.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "socket-denied",
    about: "workers may not use the socket of an application",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    let socket = folder.path().join("socket");
    let _app = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    let mut stage = set
        .location(&format!(
            "location = /http {{ proxy_pass http://unix:{0}; }}
             location = /php {{ fastcgi_pass unix:{0}; }}
             location = /none {{ proxy_pass http://unix:{0}.none; }}",
            socket.display()
        ))
        .start()?;
    stage.fail("/http", 502, 10, "permission_denied")?;
    stage.fail("/php", 502, 10, "permission_denied")?;
    stage.fail("/none", 502, 10, "upstream_refused")?;
    stage.judge()
}

//! Workers may not write to the folder of request bodies: somebody changed its owner.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

use anyhow::Result;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "denied-body",
    about: "workers may not write request bodies to their folder",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    let bodies = folder.path().join("bodies");
    let mut stage = set
        .location(&format!(
            "location = /upload {{ client_body_buffer_size 1k; client_body_temp_path {}; \
             proxy_pass http://healthy; }}",
            bodies.display()
        ))
        .start()?;
    chown(&bodies, Some(0), Some(0))?;
    fs::set_permissions(&bodies, Permissions::from_mode(0o700))?;
    let port = stage.port();
    stage.fail_by(4, 500, 20, "permission_denied", |_| {
        clients::post(port, "/upload", 20_000)
    })?;
    stage.judge()
}

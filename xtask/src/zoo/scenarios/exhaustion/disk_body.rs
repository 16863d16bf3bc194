//! No space is left for request bodies.

use std::fs;

use anyhow::Result;
use nginx_probe_tests::mounted::Mounted;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "disk-body",
    about: "no space is left for request bodies",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    let full = folder.path().join("full");
    fs::create_dir(&full)?;
    let _mounted = Mounted::tmpfs(&full, "32k")?;
    let mut stage = set
        .location(&format!(
            "location = /upload {{ client_body_buffer_size 1k; client_body_temp_path {}; \
             proxy_pass http://healthy; }}",
            full.display()
        ))
        .start()?;
    let port = stage.port();
    stage.fail_by(4, 500, 20, "disk_full", |_| {
        clients::post(port, "/upload", 200_000)
    })?;
    stage.judge()
}

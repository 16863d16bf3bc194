//! Files are put into a folder that workers may not write, and onto a disk that is full.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::mounted::Mounted;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "dav",
    about: "files cannot be put where they belong",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    for (name, mode) in [("open", 0o777), ("closed", 0o755), ("full", 0o777)] {
        let path = folder.path().join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    let _mounted = Mounted::tmpfs(&folder.path().join("full"), "32k")?;
    let mut stage = set
        .location(&format!(
            "location /files/ {{ alias {}/; dav_methods PUT; client_max_body_size 1m; }}",
            folder.path().display()
        ))
        .start()?;
    let port = stage.port();
    let put = |path: &str| {
        let mut client = Client::connect(port)?;
        let (length, body) = (100_000, "x".repeat(100_000));
        client.send(format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
        ))?;
        client.answer()
    };
    anyhow::ensure!(put("/files/open/new")? == 201, "nothing can be put at all");
    stage.fail_by(4, 500, 10, "permission_denied", |_| {
        put("/files/closed/new")
    })?;
    stage.fail_by(4, 500, 10, "disk_full", |_| put("/files/full/new"))?;
    stage.judge()
}

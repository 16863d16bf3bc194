//! Workers may not read the file of `auth_basic_user_file`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use nginx_probe_tests::client::Client;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "denied-password",
    about: "workers may not read the password file",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    let file = folder.path().join("users");
    fs::write(&file, "known:{PLAIN}word\n")?;
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let mut stage = set
        .location(&format!(
            "location = /private {{ auth_basic shop; auth_basic_user_file {}; }}",
            file.display()
        ))
        .start()?;
    let port = stage.port();
    stage.fail_by(4, 500, 20, "permission_denied", |_| {
        let mut client = Client::connect(port)?;
        client.send(
            "GET /private HTTP/1.1\r\nHost: x\r\nAuthorization: Basic a25vd246d29yZA==\r\n\r\n",
        )?;
        client.answer()
    })?;
    stage.judge()
}

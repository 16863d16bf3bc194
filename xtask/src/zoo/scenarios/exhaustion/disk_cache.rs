//! No space is left for the cache: answers that were begun cannot be finished, so that their status is
//! good and their clients get no whole body.

use std::fs;
use std::time::SystemTime;

use anyhow::{Result, ensure};
use nginx_probe_tests::mounted::Mounted;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "disk-cache",
    about: "no space is left for cached answers",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    let full = folder.path().join("cache");
    fs::create_dir(&full)?;
    let _mounted = Mounted::tmpfs(&full, "32k")?;
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| {
            builder
                .http(&format!(
                    "proxy_cache_path {} keys_zone=kept:1m use_temp_path=off;\n",
                    full.display()
                ))
                .location(&format!(
                    "location /status/ {{ proxy_cache kept; proxy_cache_valid any 10m; \
                     proxy_pass http://127.0.0.1:{}; }}",
                    app.port()
                ))
        })
        .start()?;
    fill(&full.join("filler"));
    let port = stage.port();
    let got = clients::ask(1, 20, |number| {
        clients::get(port, &format!("/status/200/{number}"))
    })?;
    let broken = got.iter().filter(|one| one.status.is_none()).count();
    ensure!(broken == 20, "only {broken} of 20 answers were cut");
    stage.wrong_since(SystemTime::now(), "disk_full");
    stage.judge()
}

/// Until no byte more fits.
fn fill(file: &std::path::Path) {
    let _ = fs::write(file, vec![b'x'; 1 << 20]);
}

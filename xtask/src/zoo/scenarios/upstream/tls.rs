//! Clients speak TLS: what they are sent cannot be read from outside. The client is another nginx.

use anyhow::Result;
use nginx_probe_tests::certificate;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::opaque::{Applications, fail_each};
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tls",
    about: "applications fail behind clients that speak TLS",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    certificate::write(folder.path(), "test")?;
    let (applications, tls) = (Applications::start()?, ports::free()?);
    let mut stage = set
        .location(&format!(
            "listen 127.0.0.1:{tls} ssl; ssl_certificate {0}/test.pem; ssl_certificate_key {0}/test.key;",
            folder.path().display(),
        ))
        .location(&applications.locations())
        .start()?;
    let client = Nginx::builder()
        .workers(1)
        .location(&format!(
            "location /tls/ {{ proxy_pass https://127.0.0.1:{tls}/; }}"
        ))
        .start()?;
    let port = client.port();
    fail_each(&mut stage, |path| {
        clients::get(port, &format!("/tls{path}"))
    })?;
    stage.judge()
}

//! nginx speaks TLS with an application, and keeps connections open. The switch that would say 503 for
//! maintenance is off.

use anyhow::Result;
use nginx_probe_tests::certificate;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tls-upstream-kept",
    about: "an application behind kept TLS connections fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (folder, tls) = (folder()?, ports::free()?);
    certificate::write(folder.path(), "app")?;
    let _app = Nginx::builder()
        .workers(1)
        .location(&format!(
            "listen 127.0.0.1:{tls} ssl; ssl_certificate {0}/app.pem; ssl_certificate_key {0}/app.key;
             location = /500 {{ return 500; }} location = /503 {{ return 503; }}",
            folder.path().display()
        ))
        .start()?;
    let mut stage = set
        .nginx(|builder| {
            builder.http(&format!(
                "upstream app {{ server 127.0.0.1:{tls}; keepalive 4; }}\n"
            ))
        })
        .location(
            "if (-f $document_root/maintenance) { return 503; }
             location /app/ { proxy_http_version 1.1; proxy_set_header Connection ''; \
                 proxy_pass https://app/; }",
        )
        .start()?;
    stage.serve("/app/", 200, 10)?;
    stage.fail("/app/500", 500, 15, "upstream_response")?;
    stage.fail("/app/503", 503, 15, "upstream_response")?;
    stage.judge()
}

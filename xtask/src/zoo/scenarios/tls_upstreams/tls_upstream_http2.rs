//! Clients speak HTTP/2, and nginx speaks TLS with the application.

use anyhow::Result;
use nginx_probe_tests::certificate;
use nginx_probe_tests::http2::Http2;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tls-upstream-http2",
    about: "HTTP/2 in front, TLS behind",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (folder, tls, http2) = (folder()?, ports::free()?, ports::free()?);
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
        .location(&format!(
            "listen 127.0.0.1:{http2} http2;
             location /app/ {{ proxy_pass https://127.0.0.1:{tls}/; }}
             location = /dead {{ proxy_pass https://127.0.0.1:{}; }}",
            ports::free()?
        ))
        .start()?;
    // Neither what the application said nor what became of it can be read.
    let because = is("upstream_response")
        .or_in(&[Mode::Kernel], "unknown")
        .or_untold_in(&[Mode::Kernel]);
    for (path, status, because) in [
        ("/app/500", 500, because.clone()),
        ("/app/503", 503, because),
        ("/dead", 502, is("upstream_refused")),
    ] {
        stage.fail_by(4, status, 10, because, |_| Http2::connect(http2)?.get(path))?;
    }
    stage.judge()
}

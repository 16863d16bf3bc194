//! Clients speak TLS, `auth_request` allows what they ask, and nginx itself fails. The client is another nginx.

use anyhow::Result;
use nginx_probe_tests::certificate;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tls-clients-allowed",
    about: "nginx fails after `auth_request`, for clients that speak TLS",
    play,
};

/// Paths, their statuses, and what makes these.
const CASES: [(&str, u16, &str); 3] = [
    ("/in/cycle", 500, "redirect_cycle"),
    ("/in/named", 500, "config_error"),
    ("/in/none", 502, "upstream_refused"),
];

fn play(set: Set) -> Result<Judgement> {
    let (folder, guard, tls) = (folder()?, Upstream::start()?, ports::free()?);
    certificate::write(folder.path(), "test")?;
    let mut stage = set
        .location(&format!(
            "listen 127.0.0.1:{tls} ssl; ssl_certificate {0}/test.pem; ssl_certificate_key {0}/test.key;
             location = /guard {{ internal; proxy_pass http://127.0.0.1:{1}/status/200; }}
             location /in/ {{
                 auth_request /guard;
                 location = /in/cycle {{ try_files /none /in/cycle; }}
                 location = /in/named {{ try_files /none @missing; }}
                 location = /in/none {{ proxy_pass http://unix:{0}/none; }}
                 location = /in/strict {{ try_files /none =503; }}
             }}",
            folder.path().display(),
            guard.port()
        ))
        .start()?;
    let client = Nginx::builder()
        .workers(1)
        .location(&format!(
            "location /in/ {{ proxy_pass https://127.0.0.1:{tls}; }}"
        ))
        .start()?;
    let port = client.port();
    for (path, status, cause) in CASES {
        stage.fail_by(4, status, 10, cause, |_| clients::get(port, path))?;
    }
    // Without a log nobody sees which path it was.
    let because = is("config_response").or_in(&[Mode::Kernel], "unknown");
    stage.fail_by(4, 503, 10, because, |_| clients::get(port, "/in/strict"))?;
    stage.judge()
}

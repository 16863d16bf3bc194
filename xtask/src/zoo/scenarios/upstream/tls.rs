//! Clients speak TLS: what they are sent cannot be read from outside. The client is another nginx.

use anyhow::Result;
use nginx_probe_tests::applications::Application;
use nginx_probe_tests::certificate;
use nginx_probe_tests::faults::Fault;
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
    name: "tls",
    about: "applications fail behind clients that speak TLS",
    play,
};

const SCRIPTS: &[(&str, &str)] = &[("sorry.php", "http_response_code(500); echo 'sorry';")];

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    certificate::write(folder.path(), "test")?;
    let (app, php, tls) = (
        Upstream::start()?,
        Application::php(SCRIPTS)?,
        ports::free()?,
    );
    let mut stage = set
        .location(&format!(
            "listen 127.0.0.1:{tls} ssl; ssl_certificate {0}/test.pem; ssl_certificate_key {0}/test.key;
             location /status/ {{ proxy_pass http://127.0.0.1:{1}; }}
             location /cycle {{ rewrite ^ /cycle; }}
             {2}",
            folder.path().display(),
            app.port(),
            php.fastcgi_location("/php/"),
        ))
        .start()?;
    let client = Nginx::builder()
        .workers(1)
        .location(&format!(
            "location /tls/ {{ proxy_pass https://127.0.0.1:{tls}/; }}"
        ))
        .start()?;
    // Without a log nobody sees what an upstream's answer became.
    let passed = || {
        is("upstream_response")
            .or_in(&[Mode::Kernel], "unknown")
            .or_untold_in(&[Mode::Kernel])
    };
    let ask = |path: &'static str| {
        let port = client.port();
        move |number| clients::get(port, &format!("/tls{path}?{number}"))
    };
    stage.fail_by(4, 500, 10, passed(), ask("/status/500/order"))?;
    stage.fail_by(4, 500, 10, passed(), ask("/php/sorry.php"))?;
    let own = |cause| is(cause).or_in(&[Mode::Kernel], "unknown");
    stage.fail_by(4, 500, 10, own("redirect_cycle"), ask("/cycle"))?;
    stage.fail_by(4, 500, 10, own("lua_error"), ask(Fault::LuaError.path()))?;
    stage.judge()
}

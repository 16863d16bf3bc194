//! Clients speak HTTP/2, where a status is packed.

use anyhow::Result;
use nginx_probe_tests::applications::Application;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http2::Http2;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "http2",
    about: "applications fail behind clients that speak HTTP/2",
    play,
};

const SCRIPTS: &[(&str, &str)] = &[("sorry.php", "http_response_code(500); echo 'sorry';")];

fn play(set: Set) -> Result<Judgement> {
    let (app, php, http2) = (
        Upstream::start()?,
        Application::php(SCRIPTS)?,
        ports::free()?,
    );
    let mut stage = set
        .location(&format!(
            "listen 127.0.0.1:{http2} http2;
             location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location /cycle {{ rewrite ^ /cycle; }}
             {}",
            app.port(),
            php.fastcgi_location("/php/"),
        ))
        .start()?;
    // Without a log nobody sees what an upstream's answer became.
    let passed = || {
        is("upstream_response")
            .or_in(&[Mode::Kernel], "unknown")
            .or_untold_in(&[Mode::Kernel])
    };
    let ask =
        |path: &'static str| move |number| Http2::connect(http2)?.get(&format!("{path}?{number}"));
    stage.fail_by(4, 500, 10, passed(), ask("/status/500/order"))?;
    stage.fail_by(4, 500, 10, passed(), ask("/php/sorry.php"))?;
    let own = |cause| is(cause).or_in(&[Mode::Kernel], "unknown");
    stage.fail_by(4, 500, 10, own("redirect_cycle"), ask("/cycle"))?;
    stage.fail_by(4, 500, 10, own("lua_error"), ask(Fault::LuaError.path()))?;
    stage.judge()
}

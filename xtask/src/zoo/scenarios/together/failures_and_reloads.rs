//! Requests fail in several ways while the configuration is reloaded again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "failures-and-reloads",
    about: "failures of several kinds under reloads",
    play,
};

/// Paths, their statuses, and what makes these.
const CASES: [(&str, u16, &str); 3] = [
    ("/status/500/order", 500, "upstream_response"),
    ("/dead", 502, "upstream_refused"),
    ("/closed", 503, "config_response"),
];

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location = /dead {{ proxy_pass http://127.0.0.1:{}; }}
             location = /closed {{ return 503; }}",
            app.port(),
            ports::free()?
        ))
        .start()?;
    let port = stage.port();
    let over = AtomicBool::new(false);
    let got = thread::scope(|scope| {
        let failing = scope.spawn(|| {
            let mut got = vec![Vec::new(); CASES.len()];
            while !over.load(Ordering::Relaxed) {
                for (one, (path, _, _)) in got.iter_mut().zip(CASES) {
                    one.extend(clients::ask(1, 5, |_| clients::get(port, path))?);
                }
            }
            anyhow::Ok(got)
        });
        let reloaded = (0..4).try_for_each(|_| stage.nginx.reload());
        over.store(true, Ordering::Relaxed);
        reloaded?;
        failing.join().ok().context("a client panicked")?
    })?;
    for (got, (_, status, cause)) in got.iter().zip(CASES) {
        stage.failed(got, status, cause)?;
    }
    stage.judge()
}

//! One client asks again and again on a connection that it keeps: good and failing answers of several kinds
//! follow each other.

use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients::{self, Got};
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kept-connection",
    about: "one client gets several failures on one connection",
    play,
};

/// Paths, their statuses, and what made these.
const CASES: [(&str, u16, Option<&str>); 5] = [
    ("/status/200/order", 200, None),
    ("/dead", 502, Some("upstream_refused")),
    ("/none", 404, None),
    ("/closed", 503, Some("config_response")),
    ("/status/504/order", 504, Some("upstream_response")),
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
    let mut client = Client::connect(stage.port())?;
    for number in 0..10 {
        for (path, status, cause) in CASES {
            let found = client.get(path)?;
            let got = Got {
                number,
                status: Some(found),
                at: SystemTime::now(),
            };
            match cause {
                Some(cause) => stage.failed(&[got], status, cause)?,
                None => clients::ensure_all(&[got], status)?,
            }
        }
    }
    stage.judge()
}

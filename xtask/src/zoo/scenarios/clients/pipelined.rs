//! A client sends several requests at once and reads the answers later: nginx has read all when it answers the
//! first.

use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::client::{Client, request};
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients::{self, Got};
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "pipelined",
    about: "a client sends requests before it has answers",
    play,
};

/// Paths, their statuses, and what made these.
const CASES: [(&str, u16, Option<&str>); 4] = [
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
    for number in 0..10 {
        let mut client = Client::connect(stage.port())?;
        let all: String = CASES.iter().map(|case| request("GET", case.0)).collect();
        client.send(all)?;
        for (_, status, cause) in CASES {
            let found = client.answer()?;
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

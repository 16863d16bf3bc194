//! Workers crash while others refuse requests beyond `limit_req`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use nginx_probe_tests::faults::Fault;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "crash-and-limit",
    about: "crashes beside refused requests",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| {
            builder
                .http("limit_req_zone $server_port zone=few:1m rate=1r/m;\n")
                .location("location = /page { limit_req zone=few; alias html/index.html; }")
        })
        .start()?;
    stage.serve("/page", 200, 1)?;
    let port = stage.port();
    let over = AtomicBool::new(false);
    let got = thread::scope(|scope| {
        let refused = scope.spawn(|| {
            let mut got = Vec::new();
            while !over.load(Ordering::Relaxed) {
                got.extend(clients::ask(2, 10, |_| ask_again(port))?);
            }
            anyhow::Ok(got)
        });
        let died = stage.die_of(Fault::Segv, "crash", 3, "worker_crash");
        over.store(true, Ordering::Relaxed);
        died?;
        refused.join().ok().context("a client panicked")?
    })?;
    stage.failed(&got, 503, "limited")?;
    stage.judge()
}

/// A worker that dies takes connections with it.
fn ask_again(port: u16) -> Result<u16> {
    let mut answer = clients::get(port, "/page");
    for _ in 0..5 {
        if answer.is_ok() {
            break;
        }
        answer = clients::get(port, "/page");
    }
    answer
}

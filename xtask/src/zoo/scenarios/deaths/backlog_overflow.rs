//! A listen queue overflows: the worker is stopped and takes no connections.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::ports;
use nginx_probe_tests::processes::{Signal, signal};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "backlog-overflow",
    about: "a listen queue overflows",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let port = ports::free()?;
    let mut stage = set
        // That a stopped worker hangs is true as well, and another scenario's.
        .agent(&["--hang-after=none"])
        .nginx(|builder| {
            builder.workers(1).http(&format!(
                "server {{ listen 127.0.0.1:{port} backlog=1; return 204; }}\n"
            ))
        })
        .start()?;
    let worker = *stage.nginx.workers()?.first().context("a worker")?;
    signal(worker, Signal::STOP)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let held: Vec<_> = (0..8).filter_map(|_| connect().ok()).collect();
    ensure!(held.len() < 8, "the queue has room for all");
    stage.wrong_since(SystemTime::now(), "backlog_overflow");
    stage.wait_said()?;
    drop(held);
    signal(worker, Signal::CONT)?;
    stage.judge()
}

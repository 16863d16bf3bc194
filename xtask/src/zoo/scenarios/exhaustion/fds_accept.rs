//! No descriptor is left to accept a connection: clients wait, and nobody is told so.

use std::net::{Ipv4Addr, TcpStream};
use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fds-accept",
    about: "no descriptor is left to accept connections",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| builder.workers(1).main("worker_rlimit_nofile 40;"))
        .start()?;
    let port = stage.port();
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?);
    }
    stage.wrong_since(SystemTime::now(), "fd_exhaustion");
    stage.wait_said()?;
    drop(held);
    until_true("nginx to answer again", DEADLINE, || {
        Ok(get(port, "/") == Answer::Status(200))
    })?;
    stage.judge()
}

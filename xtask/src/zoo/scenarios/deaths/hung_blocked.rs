//! A worker is blocked in a system call, as by a disk that does not answer.

use std::thread;
use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::http::get;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hung-blocked",
    about: "a worker waits for something that takes long",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .agent(&["--hang-after=1s"])
        .location(
            "location = /block { content_by_lua_block { os.execute('exec sleep 10') ngx.say('done') } }",
        )
        .start()?;
    let port = stage.port();
    let began = SystemTime::now();
    // It ends with nginx.
    thread::spawn(move || get(port, "/block"));
    stage.wrong_since(began, "worker_hung");
    stage.wait_said()?;
    stage.judge()
}

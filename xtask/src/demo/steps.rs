//! What the demo does to nginx, in order. Another fault is another item of the list.

use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::Answer;
use nginx_probe_tests::processes::Signal;
use nginx_probe_tests::records::{is, is_exit, opens};
use serde_json::Value;

use super::agent::QUIET_S;
use super::stage::{MEMORY, PACE, ROUND, Stage};

/// One thing that befalls nginx.
pub(super) struct Step {
    /// In a few words.
    pub(super) title: &'static str,
    /// Does it, and says what was done, in words for someone who does not know nginx well.
    pub(super) act: fn(&mut Stage) -> Result<Done>,
    /// A part of the line that nginx's error log has of it; none when it has none.
    pub(super) error_log: Option<&'static str>,
    /// The same of the access log.
    pub(super) access_log: Option<&'static str>,
    /// What the agent must report of it, in any order.
    pub(super) awaited: &'static [Awaited],
}

/// What became of a step's action.
pub(super) enum Done {
    /// What was done.
    Did(String),
    /// Why it cannot be done on this host.
    Skipped(String),
}

/// What the agent must report.
pub(super) enum Awaited {
    /// New records.
    Records {
        /// In words, for an error.
        what: &'static str,
        /// How many at least.
        times: usize,
        /// Which.
        are: fn(&Value) -> bool,
    },
    /// The end of every incident, old or new.
    AllClosed,
}

/// The demo.
pub(super) const STEPS: &[Step] = &[
    Step {
        title: "The application behind nginx answers 500",
        act: fail_upstream,
        error_log: None,
        access_log: Some("\" 500 "),
        awaited: &[one("an incident of failed responses", |r| {
            opens(r, "unknown")
        })],
    },
    Step {
        title: "A worker process crashes",
        act: |stage| {
            let got = got(&stage.nginx.cause(Fault::Segv));
            did(format!(
                "The demo has sent a request that makes nginx's own code use a null pointer. {got}"
            ))
        },
        error_log: Some("exited on signal 11"),
        access_log: Some(Fault::Segv.path()),
        awaited: &[
            one("the crash", |r| is_exit(r, "crash")),
            one("the incident", |r| opens(r, "worker_crash")),
            REPLACED,
        ],
    },
    Step {
        title: "A worker process uses too much memory",
        act: eat_memory,
        error_log: Some("exited on signal 9"),
        access_log: Some(Fault::EatMemory.path()),
        awaited: &[
            one("the OOM kill", |r| is_exit(r, "oom_kill")),
            one("the incident", |r| opens(r, "worker_oom_kill")),
            REPLACED,
        ],
    },
    Step {
        title: "Somebody kills a worker process by hand",
        act: kill_worker,
        error_log: Some("exited on signal 9"),
        access_log: None,
        awaited: &[
            one("the kill", |r| is_exit(r, "killed")),
            one("the incident", |r| opens(r, "worker_killed")),
            REPLACED,
        ],
    },
    Step {
        title: "The configuration is reloaded, which is no failure",
        act: |stage| {
            stage.nginx.signal(Signal::HUP)?;
            did(
                "The demo has sent HUP to the master process, as `nginx -s reload` does: workers \
                 with the new configuration take over, and those with the old one end."
                    .into(),
            )
        },
        error_log: None,
        access_log: None,
        awaited: &[
            one("the reload", |r| is(r, "reload") && r["result"] == "ok"),
            Awaited::Records {
                what: "the end of the two old workers",
                times: 2,
                are: |r| is_exit(r, "graceful"),
            },
        ],
    },
    Step {
        title: "Nothing more happens",
        act: |stage| {
            stage.stop_requests();
            did(format!(
                "The demo has ended its requests and waits. nginx-probe closes an incident when \
                 there is no more news of it for a while: {QUIET_S} s here, 60 s unless told."
            ))
        },
        error_log: None,
        access_log: None,
        awaited: &[Awaited::AllClosed],
    },
];

const REPLACED: Awaited = one("the start of another worker", |r| is(r, "worker_start"));

const fn one(what: &'static str, are: fn(&Value) -> bool) -> Awaited {
    Awaited::Records {
        what,
        times: 1,
        are,
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "it stands where every action returns a result"
)]
fn did(what: String) -> Result<Done> {
    Ok(Done::Did(what))
}

fn fail_upstream(stage: &mut Stage) -> Result<Done> {
    stage.start_requests();
    did(format!(
        "From now on the demo sends {PACE} requests a second. One in {ROUND} goes to an application \
         that answers 500 (Internal Server Error), which nginx passes on to the client."
    ))
}

fn eat_memory(stage: &mut Stage) -> Result<Done> {
    if let Err(why) = &stage.group {
        return Ok(Done::Skipped(why.clone()));
    }
    let got = got(&stage.nginx.cause(Fault::EatMemory));
    did(format!(
        "nginx may use {} MiB here (a control group, as containers have one). The demo has sent a \
         request that makes a worker use more, and the kernel has killed that worker. {got}",
        MEMORY >> 20
    ))
}

fn kill_worker(stage: &mut Stage) -> Result<Done> {
    let worker = *stage.nginx.serving()?.first().context("no worker serves")?;
    let pid = worker.to_string();
    let status = match Command::new("kill").args(["-9", &pid]).status() {
        // Some small systems have it in the shell only.
        Err(error) if error.kind() == ErrorKind::NotFound => Command::new("sh")
            .args(["-c", &format!("kill -9 {pid}")])
            .status(),
        other => other,
    };
    let status = status.context("starting kill")?;
    ensure!(status.success(), "kill -9 {pid} ended with {status}");
    did(format!(
        "The demo has run `kill -9 {pid}`. nginx logs the same as of a kill for want of memory."
    ))
}

/// What the client of a fault got, as a sentence.
fn got(answer: &Answer) -> String {
    match answer {
        Answer::Status(status) => format!("Its client got an answer with status {status}."),
        Answer::Broken(_) => "Its client got no answer.".into(),
    }
}

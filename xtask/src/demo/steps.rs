//! What the demo does to nginx, in order. Another fault is another item of the list.

use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::http::{self, Answer};
use nginx_probe_tests::processes::Signal;
use nginx_probe_tests::records::{is, is_exit, opens};
use serde_json::Value;

use super::agent::QUIET_S;
use super::limit::Limit;
use super::stage::{MEMORY, PACE, ROUND, Stage};

/// Connections that are opened between two looks, and at most.
const HELD_AT_ONCE: usize = 50;
const MOST_HELD: usize = 2000;
/// Requests that wait when a worker crashes.
const WAITING: usize = 6;

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
    /// The end of one worker for this reason.
    Exit(&'static str),
    /// The opening of an incident with this cause.
    Incident(&'static str),
    /// The end of every incident, old or new.
    AllClosed,
}

impl Awaited {
    /// Of `records`, of which the first `seen` are old: what is missing, in words.
    pub(super) fn missing(&self, records: &[Value], seen: usize) -> Option<String> {
        let new = || records.iter().skip(seen);
        let (there, what) = match self {
            Self::Records { what, times, are } => (
                new().filter(|record| are(record)).count() >= *times,
                (*what).to_owned(),
            ),
            Self::Exit(reason) => (
                new().any(|record| is_exit(record, reason)),
                format!("the end of a worker for the reason {reason}"),
            ),
            Self::Incident(cause) => (
                new().any(|record| opens(record, cause)),
                format!("an incident with the cause {cause}"),
            ),
            Self::AllClosed => (all_closed(records), "the end of every incident".to_owned()),
        };
        (!there).then_some(what)
    }
}

/// Whether every incident that was opened has closed.
fn all_closed(records: &[Value]) -> bool {
    let count = |state: &str| {
        let of_state = |r: &&Value| r["type"] == "incident" && r["state"] == state;
        records.iter().filter(of_state).count()
    };
    count("opened") == count("closed")
}

/// The demo.
pub(super) const STEPS: &[Step] = &[
    Step {
        title: "The application behind nginx answers 500",
        act: fail_upstream,
        error_log: None,
        access_log: Some("\" 500 "),
        awaited: &[Awaited::Incident("upstream_response")],
    },
    Step {
        title: "nginx turns an answer of the application into a 500",
        act: |stage| {
            let got = got(&http::get(stage.nginx.port(), "/intercepted"));
            did(format!(
                "The application has answered 404, for which the configuration names an error \
                 page that does not exist. {got} nginx's access log shows it like the ones before."
            ))
        },
        error_log: Some("could not find named location"),
        access_log: Some("/intercepted"),
        awaited: &[Awaited::Incident("upstream_intercepted")],
    },
    Step {
        title: "A rewrite rule leads to itself",
        act: |stage| {
            let got = got(&http::get(stage.nginx.port(), "/cycle"));
            did(format!(
                "The demo has asked for a path that the configuration rewrites to itself. {got} \
                 The application was never asked."
            ))
        },
        error_log: Some("rewrite or internal redirection cycle"),
        access_log: Some("/cycle"),
        awaited: &[Awaited::Incident("redirect_cycle")],
    },
    Step {
        title: "The workers run out of file descriptors",
        act: use_up_descriptors,
        error_log: Some("accept4() failed (24"),
        access_log: None,
        awaited: &[Awaited::Incident("fd_exhaustion")],
    },
    Step {
        title: "The workers run out of connection slots",
        act: use_up_slots,
        error_log: Some("worker_connections are not enough"),
        access_log: None,
        awaited: &[Awaited::Incident("worker_connections")],
    },
    Step {
        title: "A worker process crashes",
        act: crash_worker,
        error_log: Some("exited on signal 11"),
        access_log: Some(Fault::Segv.path()),
        awaited: &[
            Awaited::Exit("crash"),
            one("the requests that died with it", |r| {
                is_exit(r, "crash")
                    && r["lost_requests"]
                        .as_array()
                        .is_some_and(|lost| !lost.is_empty())
            }),
            Awaited::Incident("worker_crash"),
            REPLACED,
        ],
    },
    Step {
        title: "A worker process uses too much memory",
        act: eat_memory,
        error_log: Some("exited on signal 9"),
        access_log: Some(Fault::EatMemory.path()),
        awaited: &[
            Awaited::Exit("oom_kill"),
            Awaited::Incident("worker_oom_kill"),
            REPLACED,
        ],
    },
    Step {
        title: "Somebody kills a worker process by hand",
        act: kill_worker,
        error_log: Some("exited on signal 9"),
        access_log: None,
        awaited: &[
            Awaited::Exit("killed"),
            Awaited::Incident("worker_killed"),
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
        title: "A configuration is refused, and the old one serves on",
        act: |stage| {
            stage.nginx.break_config()?;
            stage.nginx.signal(Signal::HUP)?;
            did(
                "The demo has written a wrong word into the configuration and sent HUP again. \
                 Requests go on as before: nobody notices until the next start of nginx fails."
                    .into(),
            )
        },
        error_log: Some("no_such_directive"),
        access_log: None,
        awaited: &[
            one("the failed reload", |r| {
                is(r, "reload") && r["result"] == "failed"
            }),
            one("the incident with nginx's own words", |r| {
                is(r, "incident")
                    && r["cause"] == "reload_failed"
                    && r["summary"]
                        .as_str()
                        .is_some_and(|text| text.contains("no_such_directive"))
            }),
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

fn use_up_descriptors(stage: &mut Stage) -> Result<Done> {
    let mut limits = Vec::new();
    for worker in stage.nginx.serving()? {
        limits.push(Limit::to_what_is_open(worker)?);
    }
    let asked = thread::spawn({
        let port = stage.nginx.port();
        move || http::get(port, "/ok")
    });
    stage.wait("nginx to run out of descriptors", || {
        Ok(stage
            .logs()
            .error_since(&stage.begin)
            .contains("accept4() failed (24")
            .then_some(()))
    })?;
    drop(limits);
    let got = match asked.join() {
        Ok(answer) => got(&answer),
        Err(_) => "Its client is gone.".into(),
    };
    did(format!(
        "The demo has set the workers' limit of open files to what they had open, and sent a \
         request: nobody took it until the limit was raised again. {got}"
    ))
}

fn use_up_slots(stage: &mut Stage) -> Result<Done> {
    let mut held = Vec::new();
    let port = stage.nginx.port();
    stage.wait("nginx to run out of connection slots", || {
        for _ in 0..HELD_AT_ONCE {
            // A request that goes on keeps its slot; a connection without one would lose it.
            let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            if connection
                .write_all(b"GET /ok HTTP/1.1\r\nHost: demo\r\n")
                .is_ok()
            {
                held.push(connection);
            }
        }
        ensure!(
            held.len() < MOST_HELD,
            "{} connections, and nginx takes more",
            held.len()
        );
        let dropped = stage.agent.records()?;
        Ok(dropped
            .iter()
            .any(|record| opens(record, "worker_connections"))
            .then_some(()))
    })?;
    did(format!(
        "The demo has opened {} connections with requests that do not end. When all slots were \
         taken, nginx accepted more connections and closed them at once.",
        held.len()
    ))
}

fn crash_worker(stage: &mut Stage) -> Result<Done> {
    // Requests that wait for the application, on both workers.
    let mut waiting = Vec::new();
    for number in 0..WAITING {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.nginx.port()))?;
        let request = format!("GET /slow/order-{number} HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        connection.write_all(request.as_bytes())?;
        waiting.push(connection);
    }
    stage.wait_requests()?;
    let mut crashed = 0;
    for _ in stage.nginx.serving()? {
        crashed += usize::from(matches!(stage.nginx.cause(Fault::Segv), Answer::Broken(_)));
    }
    did(format!(
        "{WAITING} clients wait for answers. The demo has sent {crashed} requests that make \
         nginx's own code use a null pointer: each ends a worker, and with it what others had \
         asked of it. Of those requests nginx logs nothing."
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

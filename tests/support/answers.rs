//! What the agent tells of failed answers (`response` records).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::agent::Agent;
use crate::nginx::Nginx;
use crate::records::is;

/// How requests are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the agent chooses.
    Best,
    /// By every system call.
    Syscalls,
}

impl Way {
    /// All ways.
    pub const ALL: [Self; 2] = [Self::Best, Self::Syscalls];
}

/// An agent that tells of each failed answer without any log, and opens no connection of its own to
/// nginx.
pub fn watch(nginx: &Nginx) -> Result<Agent> {
    watch_in(nginx, Way::Best)
}

/// The same, by a way to follow requests.
pub fn watch_in(nginx: &Nginx, way: Way) -> Result<Agent> {
    let pid_file = nginx.pid_file();
    let mut arguments = vec![
        "--responses".as_ref(),
        "--no-logs".as_ref(),
        "--stub-status-every=none".as_ref(),
        "--pid-file".as_ref(),
        pid_file.as_os_str(),
    ];
    if way == Way::Syscalls {
        arguments.push("--follow=syscalls".as_ref());
    }
    Agent::start(arguments)
}

/// A `response` record, as far as tests compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What the client was sent.
    pub status: u16,
    /// The cause.
    pub cause: String,
    /// The upstreams' statuses; none for one that brought none.
    pub upstream_status: Vec<Option<u16>>,
    /// The last upstream.
    pub upstream: Option<String>,
    /// What it speaks.
    pub protocol: Option<String>,
    /// The request's method.
    pub method: Option<String>,
    /// The request's path.
    pub path: Option<String>,
}

impl Told {
    fn read(record: &Value) -> Option<Self> {
        let text = |key: &str| record[key].as_str().map(str::to_owned);
        let number = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
        Some(Self {
            status: number(&record["status"])?,
            cause: text("cause")?,
            upstream_status: record["upstream_status"]
                .as_array()?
                .iter()
                .map(number)
                .collect(),
            upstream: text("upstream"),
            protocol: text("protocol"),
            method: text("method"),
            path: text("path"),
        })
    }
}

/// The records so far, in order.
pub fn told(agent: &Agent) -> Result<Vec<Told>> {
    let records = agent.records();
    let responses = records.iter().filter(|record| is(record, "response"));
    responses
        .map(|record| Told::read(record).with_context(|| format!("odd record: {record}")))
        .collect()
}

/// All records up to the one about `path`, which is waited for, as a list by path.
///
/// A worker's answers are told of in their order, so that with one worker what is missing then will
/// never come.
pub fn told_until(agent: &Agent, path: &str) -> Result<BTreeMap<String, Vec<Told>>> {
    agent.wait_for(&format!("the response record of {path}"), |record| {
        is(record, "response") && record["path"] == path
    })?;
    let mut by_path = BTreeMap::<_, Vec<_>>::new();
    for told in told(agent)? {
        by_path
            .entry(told.path.clone().unwrap_or_default())
            .or_default()
            .push(told);
    }
    Ok(by_path)
}

//! What the agent writes: one JSON object a line.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    backends::BackendExit,
    clock::Time,
    container::Identity,
    correlator::{Cause, Incident},
    facts::{Instance, Logged, MasterExit, Reload, Upgrade, WorkerExit, WorkerStart},
    requests::Answer,
};

/// One record.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// When it happened.
    pub time: Time,
    #[serde(rename = "type")]
    kind: &'static str,
    /// To which nginx.
    pub instance: Instance,
    /// On which host.
    pub host: String,
    /// In which container, and as a part of which systemd unit.
    #[serde(flatten)]
    pub identity: Arc<Identity>,
    /// What.
    #[serde(flatten)]
    pub body: Body,
}

/// What a record says.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
#[allow(
    missing_docs,
    reason = "each variant is documented by the type it holds"
)]
pub enum Body {
    WorkerStart(WorkerStart),
    WorkerExit(Box<WorkerExit>),
    MasterExit(MasterExit),
    BackendExit(Box<BackendExit>),
    Reload(Reload),
    Upgrade(Upgrade),
    Incident(Box<Incident>),
    Response(Box<Response>),
}

/// A failed answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Response {
    /// What the client was sent.
    pub status: u16,
    /// Why.
    pub cause: Cause,
    /// The upstreams' statuses in order; null for one that brought none.
    pub upstream_status: Vec<Option<u16>>,
    /// The last upstream's address.
    pub upstream: Option<String>,
    /// What it speaks.
    pub protocol: Option<&'static str>,
    /// The request's method, when its beginning was seen.
    pub method: Option<String>,
    /// Its path, without the query.
    pub path: Option<String>,
    /// The client's address.
    pub client: Option<String>,
    /// The worker, where that was seen.
    pub worker_pid: Option<u32>,
    /// Which sources saw it.
    pub seen_by: Vec<&'static str>,
}

impl Response {
    /// What the kernel half saw.
    #[must_use]
    pub fn of(answer: &Answer, status: u16, cause: Cause) -> Self {
        let request = answer.request.as_ref();
        Self {
            status,
            cause,
            upstream_status: answer.attempts.iter().map(|one| one.status()).collect(),
            upstream: answer.upstream.clone(),
            protocol: answer.protocol,
            method: request.map(|request| request.method.clone()),
            path: request.map(|request| request.path.clone()),
            client: answer.client.clone(),
            worker_pid: Some(answer.pid),
            seen_by: vec!["kernel"],
        }
    }

    /// What the access log has.
    #[must_use]
    pub fn of_line(logged: &Logged, cause: Cause) -> Self {
        let request = logged.request.as_ref();
        Self {
            status: logged.status,
            cause,
            upstream_status: logged.upstream_status.clone(),
            upstream: logged.upstream.clone(),
            protocol: None,
            method: request.map(|request| request.method.clone()),
            path: request.map(|request| request.path.clone()),
            client: logged.client.clone(),
            worker_pid: logged.pid,
            seen_by: vec!["access_log"],
        }
    }
}

impl Record {
    /// A record of `body`.
    #[must_use]
    pub fn new(time: Time, instance: Instance, host: String, body: Body) -> Self {
        let kind = match body {
            Body::WorkerStart(_) => "worker_start",
            Body::WorkerExit(_) => "worker_exit",
            Body::MasterExit(_) => "master_exit",
            Body::BackendExit(_) => "backend_exit",
            Body::Reload(_) => "reload",
            Body::Upgrade(_) => "upgrade",
            Body::Incident(_) => "incident",
            Body::Response(_) => "response",
        };
        Self {
            time,
            kind,
            instance,
            host,
            identity: Arc::default(),
            body,
        }
    }

    /// The record, of an instance whose container and unit are known.
    #[must_use]
    pub fn with_identity(mut self, identity: Arc<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// The record as one line of JSON, with its newline.
    ///
    /// # Errors
    /// Never for the records of this version: their keys are strings.
    pub fn to_json_line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self).map(|mut line| {
            line.push('\n');
            line
        })
    }
}

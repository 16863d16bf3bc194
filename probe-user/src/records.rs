//! What the agent writes: one JSON object a line.

use serde::Serialize;

use crate::{
    clock::Time,
    correlator::Incident,
    facts::{Instance, MasterExit, Reload, Upgrade, WorkerExit, WorkerStart},
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
    Reload(Reload),
    Upgrade(Upgrade),
    Incident(Box<Incident>),
}

impl Record {
    /// A record of `body`.
    #[must_use]
    pub fn new(time: Time, instance: Instance, host: String, body: Body) -> Self {
        let kind = match body {
            Body::WorkerStart(_) => "worker_start",
            Body::WorkerExit(_) => "worker_exit",
            Body::MasterExit(_) => "master_exit",
            Body::Reload(_) => "reload",
            Body::Upgrade(_) => "upgrade",
            Body::Incident(_) => "incident",
        };
        Self {
            time,
            kind,
            instance,
            host,
            body,
        }
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

//! Recordings: all that the correlator was given, in that order, so that it can be given again.
//!
//! A file of JSON lines. The first says what the correlator was made with ([`Header`]); each other is
//! a fact, `{"time":…,"instance":…,"event":{…}}`, a moment, `{"tick":TIME}`, or the end,
//! `{"finish":TIME}`. Paths of requests and addresses of clients are in it, queries never.

mod read;
mod write;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::{
    read::{Given, ReadError, Reader},
    write::Recorder,
};
use crate::correlator::Correlator;

/// The format's version.
pub const VERSION: u32 = 1;
/// The longest line, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// What the correlator was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`] of the agent that recorded.
    #[serde(rename = "nginx_probe_recording")]
    pub format: u32,
    /// That agent's own version.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// Seconds without new evidence after which an incident closes.
    pub quiet_s: f64,
    /// A source was missing that could prove causes.
    pub blind: bool,
    /// Each failed answer has a record of its own.
    pub responses: bool,
}

impl Header {
    /// Of a recording that this agent makes.
    #[must_use]
    pub fn new(host: String, quiet: Duration, blind: bool, responses: bool) -> Self {
        Self {
            format: VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host,
            quiet_s: quiet.as_secs_f64(),
            blind,
            responses,
        }
    }

    /// A correlator made so: the agent takes the same, so that both count time alike.
    #[must_use]
    pub fn correlator(&self) -> Correlator {
        // More than fits is for ever.
        let quiet = Duration::try_from_secs_f64(self.quiet_s).unwrap_or(Duration::MAX);
        let mut correlator = Correlator::new(self.host.clone(), quiet, self.blind);
        if self.responses {
            correlator.tell_responses();
        }
        correlator
    }
}

#[cfg(test)]
mod tests;

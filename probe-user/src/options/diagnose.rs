//! The options of `diagnose`.

use std::time::Duration;

use clap::Args;

use super::{OrNone, RunOptions, WatchOptions};
use crate::sinks::console::Output;

const DEFAULT_DURATION: &str = "30s";
/// No incident ends while it is watched.
const QUIET: Duration = Duration::from_hours(24);

/// Options of `diagnose`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status: 0 all is well, 1 something is wrong, 2 it could not look.")]
pub struct DiagnoseOptions {
    /// Which nginx to watch
    #[command(flatten)]
    pub watch: WatchOptions,
    /// Watch for so long; SIGINT (Ctrl-C) ends it earlier, with a report of what was seen
    #[arg(long, env = "NGINX_PROBE_DURATION", value_name = "DURATION", default_value = DEFAULT_DURATION, value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// The host's name in the report, for an agent in a container [default: as uname(2) says]
    #[arg(long, env = "NGINX_PROBE_HOST", value_name = "NAME")]
    pub host: Option<String>,
    /// How to write the report [default: text]
    #[arg(long, env = "NGINX_PROBE_OUTPUT", default_value = "text")]
    pub output: Output,
}

impl DiagnoseOptions {
    /// Those of an agent that watches and keeps nothing.
    #[must_use]
    pub fn run(&self) -> RunOptions {
        RunOptions {
            watch: self.watch.clone(),
            listen: Some(OrNone::None),
            journal: Some(OrNone::None),
            state: Some(OrNone::None),
            incident_quiet: Some(QUIET),
            host: self.host.clone(),
            ..RunOptions::default()
        }
    }
}

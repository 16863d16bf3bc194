//! The command line, the environment and the configuration file of `run`.

mod diagnose;
mod doctor;
mod file;
mod host;
mod incidents;
mod journal;
mod logs;
mod naming;
mod value;
mod watch;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
use log::LevelFilter;
use serde::Deserialize;

pub use self::{
    diagnose::DiagnoseOptions,
    doctor::DoctorOptions,
    incidents::IncidentsOptions,
    journal::JournalSize,
    logs::LogsOptions,
    naming::NamingOptions,
    value::{Follow, LogOption, OrNone},
    watch::{DEFAULT_NAMES, WatchOptions},
};
use self::{
    journal::{keepable, kept},
    value::{duration, level, parse_level},
};
use crate::sinks::console::Output;

/// Where `run` looks for its configuration when it is not told.
pub const DEFAULT_CONFIG: &str = "/etc/nginx-probe/config.toml";
const DEFAULT_LISTEN: &str = "127.0.0.1:9877";
const DEFAULT_JOURNAL: &str = "/var/lib/nginx-probe/journal.jsonl";
const DEFAULT_STATE: &str = "/var/lib/nginx-probe";
const DEFAULT_QUIET: Duration = Duration::from_mins(1);
const DEFAULT_STUB_STATUS_EVERY: Duration = Duration::from_secs(5);
const DEFAULT_HANG_AFTER: Duration = Duration::from_secs(5);

/// Tells why clients get HTTP 500s from nginx.
#[derive(Debug, Parser)]
#[command(name = "nginx-probe", version, arg_required_else_help = true)]
pub struct Cli {
    /// How much the agent says about itself, on standard error [default: info]
    #[arg(long, global = true, env = "NGINX_PROBE_LOG_LEVEL", value_name = "LEVEL", value_parser = parse_level)]
    pub log_level: Option<LevelFilter>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Attach and stay: metrics, journal, incidents
    Run(Box<RunOptions>),
    /// Attach, watch for a while, and print one report: what is wrong and why
    Diagnose(Box<DiagnoseOptions>),
    /// Show what works on this host, what does not, why, and the fix
    Doctor(DoctorOptions),
    /// Show what the journal says of incidents: all of them, or one with its evidence
    Incidents(IncidentsOptions),
    /// Classify the failures in access and error logs, offline: no privileges needed
    Logs(LogsOptions),
    /// Give a recording of `run --record` to the correlator again, and write what it says: no
    /// privileges needed
    Replay(ReplayOptions),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages, completions and an example of the configuration file into a folder
    #[command(hide = true)]
    PackageFiles {
        /// Where to
        folder: PathBuf,
    },
}

/// Options of `run`; each is a key of the configuration file too.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RunOptions {
    /// Read options from this TOML file [default: /etc/nginx-probe/config.toml if it exists]
    #[arg(long, env = "NGINX_PROBE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Which nginx to watch
    #[command(flatten)]
    #[serde(flatten)]
    pub watch: WatchOptions,
    /// How each nginx is named
    #[command(flatten)]
    #[serde(flatten)]
    pub naming: NamingOptions,
    /// Serve /metrics and /healthz here; `none` for no listener [default: 127.0.0.1:9877]
    #[arg(long, env = "NGINX_PROBE_LISTEN", value_name = "ADDR")]
    pub listen: Option<OrNone<SocketAddr>>,
    /// How to write records [default: text on a terminal, json otherwise]
    #[arg(long, env = "NGINX_PROBE_OUTPUT")]
    pub output: Option<Output>,
    /// Keep records in this file; `none` for no journal [default: /var/lib/nginx-probe/journal.jsonl]
    #[arg(long, env = "NGINX_PROBE_JOURNAL", value_name = "PATH")]
    pub journal: Option<OrNone<PathBuf>>,
    /// Rotate the journal before it would be larger than this, at least 4KiB [default: 64MiB]
    #[arg(long, env = "NGINX_PROBE_JOURNAL_SIZE", value_name = "SIZE")]
    pub journal_size: Option<JournalSize>,
    /// Keep so many rotated files of it, 0 to 99 [default: 4]
    #[arg(long, env = "NGINX_PROBE_JOURNAL_KEEP", value_name = "N", value_parser = keepable())]
    #[serde(deserialize_with = "kept")]
    pub journal_keep: Option<u8>,
    /// Keep how far each log was read in this folder; `none` to begin at the end of every log
    /// [default: /var/lib/nginx-probe]
    #[arg(long, env = "NGINX_PROBE_STATE", value_name = "FOLDER")]
    pub state: Option<OrNone<PathBuf>>,
    /// Close an incident after this long without new evidence [default: 60s]
    #[arg(long, env = "NGINX_PROBE_INCIDENT_QUIET", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub incident_quiet: Option<Duration>,
    /// Ask nginx's `stub_status` this often; `none` for never [default: 5s]
    #[arg(long, env = "NGINX_PROBE_STUB_STATUS_EVERY", value_name = "DURATION")]
    pub stub_status_every: Option<OrNone<humantime::Duration>>,
    /// Report a worker that has not returned to its event loop for this long; `none` for never
    /// [default: 5s]
    #[arg(long, env = "NGINX_PROBE_HANG_AFTER", value_name = "DURATION")]
    pub hang_after: Option<OrNone<humantime::Duration>>,
    /// Write a record of each failed response too
    #[arg(
        long,
        env = "NGINX_PROBE_RESPONSES",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub responses: Option<bool>,
    /// Keep all that the agent sees in this new file, for `nginx-probe replay`: paths of requests and
    /// addresses of clients are in it
    #[arg(long, env = "NGINX_PROBE_RECORD", value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// The host's name in records, for an agent in a container [default: as uname(2) says]
    #[arg(long, env = "NGINX_PROBE_HOST", value_name = "NAME")]
    pub host: Option<String>,
    /// Go on as this user once everything is attached [default: as who started it]
    #[arg(long, env = "NGINX_PROBE_USER", value_name = "NAME")]
    pub user: Option<String>,
    /// `log-level` of the configuration file; the flag is one of every command.
    #[arg(skip)]
    #[serde(deserialize_with = "level")]
    pub log_level: Option<LevelFilter>,
}

/// Options of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayOptions {
    /// The recording; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How to write records [default: text on a terminal, json otherwise]
    #[arg(long, env = "NGINX_PROBE_OUTPUT")]
    pub output: Option<Output>,
}

impl RunOptions {
    /// Where to serve metrics.
    ///
    /// # Panics
    /// Never: the default is an address.
    #[must_use]
    pub fn listen(&self) -> Option<SocketAddr> {
        match &self.listen {
            Some(OrNone::None) => None,
            Some(OrNone::Some(address)) => Some(*address),
            None => DEFAULT_LISTEN.parse().ok(),
        }
    }

    /// Where to keep records.
    #[must_use]
    pub fn journal(&self) -> Option<&Path> {
        match &self.journal {
            Some(OrNone::None) => None,
            Some(OrNone::Some(path)) => Some(path),
            None => Some(Path::new(DEFAULT_JOURNAL)),
        }
    }

    /// Where to keep how far each log was read.
    #[must_use]
    pub fn state(&self) -> Option<&Path> {
        match &self.state {
            Some(OrNone::None) => None,
            Some(OrNone::Some(path)) => Some(path),
            None => Some(Path::new(DEFAULT_STATE)),
        }
    }

    /// How long an incident stays open without new evidence.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        self.incident_quiet.unwrap_or(DEFAULT_QUIET)
    }

    /// How often to ask nginx's `stub_status`; none for never.
    #[must_use]
    pub fn stub_status_every(&self) -> Option<Duration> {
        let every = match self.stub_status_every {
            Some(OrNone::None) => Duration::ZERO,
            Some(OrNone::Some(every)) => every.into(),
            None => DEFAULT_STUB_STATUS_EVERY,
        };
        (!every.is_zero()).then_some(every)
    }

    /// How long a worker may stay away from its event loop before it is reported; none for ever.
    #[must_use]
    pub fn hang_after(&self) -> Option<Duration> {
        let after = match self.hang_after {
            Some(OrNone::None) => Duration::ZERO,
            Some(OrNone::Some(after)) => after.into(),
            None => DEFAULT_HANG_AFTER,
        };
        (!after.is_zero()).then_some(after)
    }
}

#[cfg(test)]
mod tests;

//! The command line, the environment and the configuration file of `run`.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};
use log::LevelFilter;
use serde::{Deserialize, Deserializer};

use crate::sinks::console::Output;

/// Programs that are nginx or its kin.
pub const DEFAULT_NAMES: [&str; 5] = ["nginx", "openresty", "angie", "freenginx", "tengine"];
/// Where `run` looks for its configuration when it is not told.
pub const DEFAULT_CONFIG: &str = "/etc/nginx-probe/config.toml";
const DEFAULT_LISTEN: &str = "127.0.0.1:9877";
const DEFAULT_JOURNAL: &str = "/var/lib/nginx-probe/journal.jsonl";
const DEFAULT_QUIET: Duration = Duration::from_mins(1);

/// Tells why clients get HTTP 500s from nginx.
#[derive(Debug, Parser)]
#[command(name = "nginx-probe", version, arg_required_else_help = true)]
pub struct Cli {
    /// How much the agent says about itself, on standard error [default: info]
    #[arg(long, global = true, env = "NGINX_PROBE_LOG_LEVEL")]
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
    /// Show what works on this host, what does not, why, and the fix
    Doctor(DoctorOptions),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
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
    /// Serve /metrics and /healthz here; `none` for no listener [default: 127.0.0.1:9877]
    #[arg(long, env = "NGINX_PROBE_LISTEN", value_name = "ADDR")]
    pub listen: Option<OrNone<SocketAddr>>,
    /// How to write records [default: text on a terminal, json otherwise]
    #[arg(long, env = "NGINX_PROBE_OUTPUT")]
    pub output: Option<Output>,
    /// Keep records in this file; `none` for no journal [default: /var/lib/nginx-probe/journal.jsonl]
    #[arg(long, env = "NGINX_PROBE_JOURNAL", value_name = "PATH")]
    pub journal: Option<OrNone<PathBuf>>,
    /// Close an incident after this long without new evidence [default: 60s]
    #[arg(long, env = "NGINX_PROBE_INCIDENT_QUIET", value_name = "DURATION", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub incident_quiet: Option<Duration>,
    /// `log-level` of the configuration file; the flag is one of every command.
    #[arg(skip)]
    #[serde(deserialize_with = "level")]
    pub log_level: Option<LevelFilter>,
}

/// Options that say what to watch.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct WatchOptions {
    /// Watch only the nginx with this pid file (repeatable) [default: every nginx on the host]
    #[arg(
        long,
        env = "NGINX_PROBE_PID_FILE",
        value_name = "PATH",
        value_delimiter = ','
    )]
    pub pid_file: Vec<PathBuf>,
    /// Watch only the nginx with this master process (repeatable)
    #[arg(
        long,
        env = "NGINX_PROBE_MASTER",
        value_name = "PID",
        value_delimiter = ','
    )]
    pub master: Vec<u32>,
    /// Program names that are taken for nginx (repeatable) [default: nginx and its kin]
    #[arg(
        long,
        env = "NGINX_PROBE_NAME",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub name: Vec<String>,
    /// Read this access log in place of those that the configuration names (repeatable)
    #[arg(
        long,
        env = "NGINX_PROBE_ACCESS_LOG",
        value_name = "PATH[=FORMAT]",
        value_delimiter = ','
    )]
    pub access_log: Vec<LogOption>,
    /// Load nothing into the kernel: logs alone
    #[arg(
        long,
        env = "NGINX_PROBE_NO_KERNEL",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub no_kernel: Option<bool>,
    /// Read no logs
    #[arg(
        long,
        env = "NGINX_PROBE_NO_LOGS",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub no_logs: Option<bool>,
}

/// Options of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorOptions {
    /// How to write the result [default: text]
    #[arg(long, env = "NGINX_PROBE_OUTPUT", default_value = "text")]
    pub output: Output,
    /// Which nginx to look at
    #[command(flatten)]
    pub watch: WatchOptions,
}

/// `PATH` or `PATH=FORMAT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOption {
    /// The log.
    pub path: PathBuf,
    /// The name of its format.
    pub format: String,
}

impl FromStr for LogOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, format) = text.split_once('=').unwrap_or((text, "combined"));
        if path.is_empty() {
            return Err("the path is empty".into());
        }
        if format != "combined" {
            return Err(format!(
                "the format {format} is not known; this version reads combined"
            ));
        }
        Ok(Self {
            path: path.into(),
            format: format.into(),
        })
    }
}

impl<'de> Deserialize<'de> for LogOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A value, or the word `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrNone<T> {
    /// The word.
    None,
    /// The value.
    Some(T),
}

impl<T: FromStr> FromStr for OrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" {
            Ok(Self::None)
        } else {
            text.parse().map(Self::Some)
        }
    }
}

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LevelFilter>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom(format!(
            "{text} is no level: off, error, warn, info, debug or trace"
        ))
    })
}

impl RunOptions {
    /// Fills what neither flags nor environment say from the configuration file.
    ///
    /// # Errors
    /// When the file was named and is missing, cannot be read, or has an unknown key or bad value.
    pub fn with_file(self) -> anyhow::Result<Self> {
        let path = self.config.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.config.is_none() => {
                return Ok(self);
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the configuration {}", path.display()));
            }
        };
        let file: Self = toml::from_str(&text)
            .with_context(|| format!("the configuration {} is not right", path.display()))?;
        Ok(self.over(file))
    }

    fn over(self, file: Self) -> Self {
        fn first<T>(mine: Vec<T>, other: Vec<T>) -> Vec<T> {
            if mine.is_empty() { other } else { mine }
        }
        let (mine, other) = (self.watch, file.watch);
        Self {
            config: self.config,
            watch: WatchOptions {
                pid_file: first(mine.pid_file, other.pid_file),
                master: first(mine.master, other.master),
                name: first(mine.name, other.name),
                access_log: first(mine.access_log, other.access_log),
                no_kernel: mine.no_kernel.or(other.no_kernel),
                no_logs: mine.no_logs.or(other.no_logs),
            },
            listen: self.listen.or(file.listen),
            output: self.output.or(file.output),
            journal: self.journal.or(file.journal),
            incident_quiet: self.incident_quiet.or(file.incident_quiet),
            log_level: self.log_level.or(file.log_level),
        }
    }

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

    /// How long an incident stays open without new evidence.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        self.incident_quiet.unwrap_or(DEFAULT_QUIET)
    }
}

impl WatchOptions {
    /// Whether to load nothing into the kernel.
    #[must_use]
    pub fn no_kernel(&self) -> bool {
        self.no_kernel.unwrap_or(false)
    }

    /// Whether to read no logs.
    #[must_use]
    pub fn no_logs(&self) -> bool {
        self.no_logs.unwrap_or(false)
    }

    /// The program names to take for nginx, cut as the kernel cuts them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let cut = |name: &str| name.chars().take(15).collect();
        if self.name.is_empty() {
            DEFAULT_NAMES
                .iter()
                .map(|name| (*name).to_owned())
                .collect()
        } else {
            self.name.iter().map(|name| cut(name)).collect()
        }
    }
}

#[cfg(test)]
mod tests;

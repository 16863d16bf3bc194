//! Options that say which nginx to watch, and by what.

use std::path::PathBuf;

use clap::{Args, builder::BoolishValueParser};
use serde::Deserialize;

use super::{Follow, LogOption};
use crate::kernel::Way;

/// Programs that are nginx or its kin.
pub const DEFAULT_NAMES: [&str; 6] = [
    "nginx",
    "nginx-debug",
    "openresty",
    "angie",
    "freenginx",
    "tengine",
];

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
    /// Read this access log in place of those that the configuration names (repeatable). FORMAT is a
    /// name or the text of a `log_format` [default: as the configuration says, else combined]
    // No delimiter: a format may hold any character.
    #[arg(long, env = "NGINX_PROBE_ACCESS_LOG", value_name = "PATH[=FORMAT]")]
    pub access_log: Vec<LogOption>,
    /// Read this error log in place of those that the configuration names (repeatable)
    #[arg(
        long,
        env = "NGINX_PROBE_ERROR_LOG",
        value_name = "PATH",
        value_delimiter = ','
    )]
    pub error_log: Vec<PathBuf>,
    /// Load nothing into the kernel: logs, /proc and `stub_status` alone
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
    /// How requests are followed: by the `sockets` of workers (Linux 6.3), or by all `syscalls`, which
    /// also tells of connections that are taken and dropped and of every call that fails, and slows
    /// down each system call of the host a little; `none` for not at all [default: sockets where
    /// the kernel has them, else syscalls]
    #[arg(long, env = "NGINX_PROBE_FOLLOW", value_name = "HOW")]
    pub follow: Option<Follow>,
    /// Attach nothing to nginx's own functions: what it answers itself through TLS and HTTP/2, and
    /// why, is then in the logs alone
    #[arg(
        long,
        env = "NGINX_PROBE_NO_UPROBES",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new()
    )]
    pub no_uprobes: Option<bool>,
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

impl WatchOptions {
    /// Whether to load nothing into the kernel.
    #[must_use]
    pub fn no_kernel(&self) -> bool {
        self.no_kernel.unwrap_or(false)
    }

    /// Whether to attach nothing to nginx's own functions.
    #[must_use]
    pub fn no_uprobes(&self) -> bool {
        self.no_uprobes.unwrap_or(false)
    }

    /// Whether to read no logs.
    #[must_use]
    pub fn no_logs(&self) -> bool {
        self.no_logs.unwrap_or(false)
    }

    /// The ways in which requests are to be followed, the best first.
    #[must_use]
    pub fn ways(&self) -> &'static [Way] {
        match self.follow {
            None => &[Way::Sockets, Way::Syscalls],
            Some(Follow::Sockets) => &[Way::Sockets],
            Some(Follow::Syscalls) => &[Way::Syscalls],
            Some(Follow::None) => &[],
        }
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

//! Options of `logs`.

use std::path::PathBuf;

use clap::Args;

use crate::sinks::console::Output;

/// Options of `logs`.
#[derive(Clone, Debug, Args)]
pub struct LogsOptions {
    /// Access logs and error logs, rotated, compressed and archived ones too, in any order; `-` is
    /// standard input [default: standard input]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The format of the access logs: a name such as combined, or the text of the `log_format`
    /// [default: found out from the first lines of each]
    #[arg(long, env = "NGINX_PROBE_FORMAT", value_name = "NAME|STRING")]
    pub format: Option<String>,
    /// An error log (repeatable); one that is among the FILEs is known by its lines
    #[arg(
        long,
        env = "NGINX_PROBE_ERROR_LOG",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub error_log: Vec<PathBuf>,
    /// How to write the result [default: text]
    #[arg(
        long,
        env = "NGINX_PROBE_OUTPUT",
        default_value = "text",
        hide_default_value = true
    )]
    pub output: Output,
    /// Threads that count lines, 1 to 4 [default: one for each processor]
    #[arg(long, env = "NGINX_PROBE_THREADS", value_name = "N", hide = true)]
    pub threads: Option<usize>,
}

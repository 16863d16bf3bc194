//! Options of `doctor`.

use clap::Args;

use super::WatchOptions;
use crate::sinks::console::Output;

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

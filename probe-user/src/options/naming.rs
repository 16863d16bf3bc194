//! Options that say how instances are named.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use crate::container::label::Template;

/// Where the host's files are as its first process sees them, wherever the agent itself runs.
const DEFAULT_HOST_ROOT: &str = "/proc/1/root";

/// How instances are named.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct NamingOptions {
    /// Call each nginx so, in records and in the label `nginx`, as in `{namespace}/{pod}{pid_file}`.
    /// There are `{pid_file}`, `{container}`, `{pod}`, `{namespace}`, `{unit}`, `{runtime}`, `{id}`
    /// and `{host}` [default: the pid file's path, in a container after the container's name]
    #[arg(long, env = "NGINX_PROBE_INSTANCE_LABEL", value_name = "TEMPLATE")]
    pub instance_label: Option<Template>,
    /// The host's root folder, where container runtimes keep what they call their containers
    /// [default: /proc/1/root]
    #[arg(long, env = "NGINX_PROBE_HOST_ROOT", value_name = "FOLDER")]
    pub host_root: Option<PathBuf>,
}

impl NamingOptions {
    /// The host's root folder.
    #[must_use]
    pub fn host_root(&self) -> &Path {
        let given = self.host_root.as_deref();
        given.unwrap_or(Path::new(DEFAULT_HOST_ROOT))
    }

    pub(super) fn over(self, file: Self) -> Self {
        Self {
            instance_label: self.instance_label.or(file.instance_label),
            host_root: self.host_root.or(file.host_root),
        }
    }
}

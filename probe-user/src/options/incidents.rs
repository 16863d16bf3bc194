//! What `incidents` is asked for.

use std::path::{Path, PathBuf};

use clap::{Args, builder::PossibleValuesParser};

use super::{DEFAULT_JOURNAL, OrNone};
use crate::{correlator::Cause, incidents::When, sinks::console::Output};

/// Options of `incidents`.
#[derive(Clone, Debug, Args)]
pub struct IncidentsOptions {
    /// Show this one with all that the journal has of it; the beginning of an id is enough
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// List only what was not over by then: so long ago, as in 24h, 90m or 7d, or at a time, as in
    /// 2026-01-02T03:04:05Z
    #[arg(long, env = "NGINX_PROBE_SINCE", value_name = "WHEN")]
    pub since: Option<When>,
    /// List only what had begun by then, written as above
    #[arg(long, env = "NGINX_PROBE_UNTIL", value_name = "WHEN")]
    pub until: Option<When>,
    /// List only what has this cause (repeatable)
    #[arg(
        long,
        env = "NGINX_PROBE_CAUSE",
        value_name = "CAUSE",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = PossibleValuesParser::new(Cause::ALL.map(Cause::as_str))
    )]
    pub cause: Vec<String>,
    /// List only what happened to this nginx: as the list names it
    /// (repeatable)
    #[arg(
        long,
        env = "NGINX_PROBE_NGINX",
        value_name = "NGINX",
        value_delimiter = ','
    )]
    pub nginx: Vec<String>,
    /// Read this journal and its rotated files [default: /var/lib/nginx-probe/journal.jsonl]
    #[arg(long, env = "NGINX_PROBE_JOURNAL", value_name = "PATH")]
    pub journal: Option<OrNone<PathBuf>>,
    /// How to write the result
    #[arg(long, env = "NGINX_PROBE_OUTPUT", default_value = "text")]
    pub output: Output,
}

impl IncidentsOptions {
    /// Which journal to read; none when there is said to be none.
    #[must_use]
    pub fn journal(&self) -> Option<&Path> {
        match &self.journal {
            Some(OrNone::None) => None,
            Some(OrNone::Some(path)) => Some(path),
            None => Some(Path::new(DEFAULT_JOURNAL)),
        }
    }
}

//! The logs that `run` would read of an nginx, opened once: for `doctor`.

use std::path::PathBuf;

use super::{
    Kind,
    choose::{Named, Wanted},
};
use crate::{config, options::WatchOptions, rooted::OpenError};

/// A log that would be followed, and whether it can be.
#[derive(Debug)]
pub(crate) struct Tried {
    /// It is an access log, not an error log.
    pub(crate) access: bool,
    /// Its path, where nginx or whoever gave the options sees it.
    pub(crate) path: PathBuf,
    /// The names of the formats of its lines, or why it cannot be read.
    pub(crate) opened: Result<Vec<String>, OpenError>,
}

/// Opens what would be followed of a master with this configuration, and gives what cannot be
/// followed at all, in words.
pub(crate) fn try_logs(
    watch: &WatchOptions,
    config: Option<&config::Master>,
) -> (Vec<Tried>, Vec<String>) {
    let choice = Named::of(watch).choose(config);
    let tried = choice.wanted.iter().map(try_log).collect();
    (tried, choice.problems)
}

fn try_log(wanted: &Wanted) -> Tried {
    let path = &wanted.place.path;
    let formats = wanted.formats.iter();
    let formats = formats.map(|(format, _)| format.name.to_string()).collect();
    Tried {
        access: wanted.place.kind == Kind::Access,
        path: path.clone(),
        opened: wanted.root.open_regular(path).map(|_| formats),
    }
}

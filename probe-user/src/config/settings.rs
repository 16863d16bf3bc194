//! The model of a configuration.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::binary::Build;
use super::collect::Collector;
use super::effective::Effective;
use super::invocation::Invocation;
use super::log_format::LogFormat;
use super::logs::{AccessLog, Buffer, ErrorLog, LogTarget};
use super::pass::{Pass, Target};
use super::process::{Process, WorkerProcesses};
use super::read;
use super::server::{Place, Server};
use super::upstream::Upstream;
use crate::rooted::Root;

/// What the agent needs to know of a configuration.
///
/// It is the configuration on disk: nginx may still run with an older one. Reading the same files
/// again gives an equal value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The main configuration file.
    pub conf_file: PathBuf,
    /// `pid`
    pub pid_path: PathBuf,
    /// Every `log_format`, nginx's own `combined` first.
    pub log_formats: Vec<Arc<LogFormat>>,
    /// Every access log of `http`, each once, in the order of the configuration; `off` included.
    /// Two of them may go to the same file: see [`Settings::readable_logs`].
    pub access_logs: Vec<Arc<AccessLog>>,
    /// Every error log, each once, in the order of the configuration.
    pub error_logs: Vec<Arc<ErrorLog>>,
    /// The error logs of the main level: what concerns no request goes there, such as the end of a
    /// worker.
    pub main_error_logs: Arc<[Arc<ErrorLog>]>,
    /// `worker_processes`; 1 when not set.
    pub worker_processes: WorkerProcesses,
    /// `worker_connections`, per worker; 512 when not set.
    pub worker_connections: u32,
    /// What else is said of the processes.
    pub process: Process,
    /// The servers of `http`, in order.
    pub servers: Vec<Server>,
    /// The upstreams of `http`, in order.
    pub upstreams: Vec<Upstream>,
    /// The paths of every `mirror` and `post_action`: what becomes of requests there is no client's
    /// affair.
    pub mirrors: BTreeSet<Arc<str>>,
    /// Where in `upstreams` each name is.
    pub(super) upstream_places: HashMap<Arc<str>, usize>,
    /// Every file read, the main one first. Tables that `map` and its like include are not read.
    pub files: Vec<PathBuf>,
    /// What could not be read or understood, for people.
    pub warnings: Vec<String>,
    /// How many files could not be read, or not to their end, so that what they say is not known.
    pub unread: usize,
}

/// Formats of one file that are kept.
const MAX_FORMATS: usize = 16;

/// An access log that can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadableLog {
    /// Its path in nginx's root.
    pub path: PathBuf,
    /// The formats of its lines, in the order of the configuration: more than one when several
    /// `access_log` name the file with different formats, none when none is defined.
    pub formats: Vec<Arc<LogFormat>>,
    /// Some lines have a format that no `log_format` defines, or there are over 16 formats.
    pub unknown_format: bool,
    /// Some requests may be missing (`if=`).
    pub conditional: bool,
    /// How late lines come, where some are buffered. nginx refuses different buffers for one file.
    pub buffer: Option<Buffer>,
}

impl ReadableLog {
    /// Whether a line may be of one format or another.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.formats.len() + usize::from(self.unknown_format) > 1
    }
}

/// Where each name is; of two, which nginx refuses, the first.
pub(super) fn places_of(upstreams: &[Upstream]) -> HashMap<Arc<str>, usize> {
    let mut places = HashMap::with_capacity(upstreams.len());
    for (place, upstream) in upstreams.iter().enumerate() {
        places.entry(Arc::clone(&upstream.name)).or_insert(place);
    }
    places
}

impl Settings {
    /// Reads the configuration of an nginx with this binary and command line in its `root`.
    ///
    /// `working_folder` (`/proc/PID/cwd` of the master) is what a relative prefix is relative to.
    /// This never fails: what cannot be read is missing from the result and named in `warnings`.
    #[must_use]
    pub fn read(
        root: &Root,
        build: &Build,
        invocation: &Invocation,
        working_folder: &Path,
    ) -> Self {
        let prefix = invocation.prefix.as_ref().unwrap_or(&build.prefix);
        let prefix = working_folder.join(prefix);
        let conf_file = prefix.join(invocation.conf_file.as_ref().unwrap_or(&build.conf_path));
        // Without `.` and doubled slashes, so that one file has one name. `..` stays: what it
        // means depends on links.
        let conf_file: PathBuf = conf_file.components().collect();
        let mut collector = Collector::new(prefix, invocation.uid);
        let report = read::walk(
            root,
            invocation.directives.as_deref(),
            &conf_file,
            &mut |_, event| collector.event(event),
        );
        collector.finish(conf_file, build, invocation, report)
    }

    /// The access logs that can be followed, each file once, in the order of the configuration.
    #[must_use]
    pub fn readable_logs(&self) -> Vec<ReadableLog> {
        let mut places = HashMap::new();
        let mut found: Vec<ReadableLog> = Vec::new();
        for log in &self.access_logs {
            let LogTarget::File(path) = &log.target else {
                continue;
            };
            let place = *places.entry(path).or_insert(found.len());
            if place == found.len() {
                found.push(ReadableLog {
                    path: path.clone(),
                    formats: Vec::new(),
                    unknown_format: false,
                    conditional: false,
                    buffer: None,
                });
            }
            let Some(readable) = found.get_mut(place) else {
                continue;
            };
            match &log.log_format {
                Some(format) if readable.formats.contains(format) => {}
                Some(format) if readable.formats.len() < MAX_FORMATS => {
                    readable.formats.push(Arc::clone(format));
                }
                _ => readable.unknown_format = true,
            }
            readable.conditional |= log.condition.is_some();
            readable.buffer = readable.buffer.or(log.buffer);
        }
        found
    }

    /// The places where `holds`: servers, and locations in them.
    #[must_use]
    pub fn places(&self, holds: impl Fn(&Effective) -> bool) -> Vec<Place<'_>> {
        let mut found = Vec::new();
        for server in &self.servers {
            server.visit(&mut |place, level| {
                if holds(&level.effective) {
                    found.push(place.clone());
                }
            });
        }
        found
    }

    /// The `upstream` block that a location's requests go to; `None` for a plain address, and for
    /// a target that is known for each request only.
    #[must_use]
    pub fn upstream(&self, pass: &Pass) -> Option<&Upstream> {
        match &pass.target {
            Target::Host { name, port: None } => {
                let place = self.upstream_places.get(name)?;
                self.upstreams.get(*place)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! Which logs to follow, and how to read each.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Kind, Place, access::Compiled, once};
use crate::{
    access_log::{Field, Format, KNOWN},
    config::{self, LogFormat, LogTarget, Settings},
    facts::Instance,
    named,
    options::{LogOption, WatchOptions},
    rooted::Root,
    sinks::printable::printable,
};

/// What a log is taken for of which nothing is said.
const COMBINED: [&str; 2] = ["combined", "combined with more behind it"];

/// The instance of logs that the operator named while no master was seen, and no pid file said.
const UNKNOWN: &str = "unknown";

/// Logs that the operator named stand for those of the configuration, which need not be readable
/// then.
#[derive(Default)]
pub(super) struct Named {
    access: Vec<LogOption>,
    error: Vec<PathBuf>,
    /// Of the one instance that the operator named, too.
    pid_file: Option<Instance>,
}

/// A log to follow.
pub(super) struct Wanted {
    pub place: Place,
    pub root: Arc<Root>,
    /// How its lines are read, for an access log.
    pub formats: Vec<Compiled>,
}

/// What of an instance's logs is to be followed, and what cannot be, in words.
#[derive(Default)]
pub(super) struct Choice {
    pub wanted: Vec<Wanted>,
    pub problems: Vec<String>,
}

impl Named {
    pub(super) fn of(watch: &WatchOptions) -> Self {
        let pid_file = match &*watch.pid_file {
            [one] => Some(printable(one.to_string_lossy()).into()),
            _ => None,
        };
        Self {
            access: watch.access_log.clone(),
            error: watch.error_log.clone(),
            pid_file,
        }
    }

    /// Whose the named logs are while no master runs; `None` when none is named.
    pub(super) fn instance_alone(&self) -> Option<Instance> {
        let any = !self.access.is_empty() || !self.error.is_empty();
        any.then(|| self.pid_file.clone().unwrap_or_else(|| UNKNOWN.into()))
    }

    /// The logs of a master with this configuration, if that can be read.
    pub(super) fn choose(&self, config: Option<&config::Master>) -> Choice {
        let mut choice = Choice::default();
        // What the operator names is meant as the operator sees it.
        let host = match named::root(Path::new("/proc")) {
            Ok(host) => Some(Arc::new(host)),
            Err(error) => {
                let problem = format!("the logs that were named cannot be read: /: {error}");
                choice.problems.push(problem);
                None
            }
        };
        if let Some(host) = &host {
            choice.named(self, host, config.map(|config| &config.settings));
        }
        if let Some(config) = config {
            if self.access.is_empty() {
                choice.access_logs(config);
            }
            if self.error.is_empty() {
                choice.error_logs(config);
            }
        }
        choice
    }
}

impl Choice {
    fn named(&mut self, named: &Named, host: &Arc<Root>, settings: Option<&Settings>) {
        for log in &named.access {
            let chosen = log.formats(settings);
            if let (true, Some(name)) = (chosen.is_empty(), &log.format) {
                let path = log.path.display();
                self.problems.push(match settings {
                    Some(_) => format!("no log_format is named {name}, which {path} should have"),
                    None => format!(
                        "the format {name} of {path} is unknown without a configuration that can \
                         be read; give its text instead of its name"
                    ),
                });
            }
            self.access_log(host, &log.path, &chosen);
        }
        for path in &named.error {
            self.add(Kind::Error, host, path, Vec::new());
        }
    }

    fn access_logs(&mut self, config: &config::Master) {
        let settings = &config.settings;
        let logs = settings.readable_logs();
        let repeated = once::repeated(settings, &logs);
        for log in logs {
            let path = log.path.display();
            if repeated.contains(&log.path) {
                log::debug!("{path} repeats what other logs have: it is not counted");
                continue;
            }
            if log.unknown_format {
                self.problems
                    .push(format!("a format of {path} is nowhere defined"));
            }
            self.access_log(&config.root, &log.path, &log.formats);
        }
        let targets = settings.access_logs.iter().map(|log| &log.target);
        let why_not = targets.filter_map(|target| why_not(target, "an access log"));
        self.problems.extend(why_not);
    }

    fn error_logs(&mut self, config: &config::Master) {
        for log in &config.settings.error_logs {
            match &log.target {
                LogTarget::File(path) => self.add(Kind::Error, &config.root, path, Vec::new()),
                other => self.problems.extend(why_not(other, "an error log")),
            }
        }
    }

    fn access_log(&mut self, root: &Arc<Root>, path: &Path, formats: &[Arc<LogFormat>]) {
        let (formats, problems) = compile(formats, path);
        self.problems.extend(problems);
        if !formats.is_empty() {
            self.add(Kind::Access, root, path, formats);
        }
    }

    fn add(&mut self, kind: Kind, root: &Arc<Root>, path: &Path, formats: Vec<Compiled>) {
        let folder = root.stat(Path::new("/")).ok();
        self.wanted.push(Wanted {
            place: Place {
                kind,
                root: folder.map(|it| (it.st_dev, it.st_ino)),
                path: path.to_owned(),
            },
            root: Arc::clone(root),
            formats,
        });
    }
}

/// Why a log is not followed.
fn why_not(target: &LogTarget, what: &str) -> Option<String> {
    match target {
        LogTarget::File(_) | LogTarget::Off => None,
        LogTarget::Syslog(server) => Some(format!("{what} goes to syslog ({server})")),
        LogTarget::Unreadable { why } => Some(format!("{what} cannot be read: {why}")),
    }
}

/// The formats that can be read, and what is wrong with the others.
fn compile(formats: &[Arc<LogFormat>], path: &Path) -> (Vec<Compiled>, Vec<String>) {
    let mut compiled = Vec::new();
    let mut problems = Vec::new();
    for format in formats {
        let (name, path) = (&format.name, path.display());
        match Format::compile(&format.text, format.escape) {
            Ok(readable) if !readable.gives(Field::Status) => {
                problems.push(format!(
                    "the format {name} of {path} has no $status: its answers cannot be told apart"
                ));
            }
            Ok(readable) => compiled.push((Arc::clone(format), Arc::new(readable))),
            Err(error) => {
                problems.push(format!("the format {name} of {path} is not read: {error}"));
            }
        }
    }
    (compiled, problems)
}

impl LogOption {
    /// The formats to read it with: what was said, else what the configuration says of that file,
    /// else nginx's own with or without more behind it.
    fn formats(&self, settings: Option<&Settings>) -> Vec<Arc<LogFormat>> {
        let known = |name: &str| {
            KNOWN
                .iter()
                .find(|known| known.name == name)
                .map(|known| Arc::new(LogFormat::known(known)))
        };
        match &self.format {
            Some(text) if text.contains('$') => vec![Arc::new(LogFormat::given(text))],
            Some(name) => settings
                .into_iter()
                .flat_map(|settings| &settings.log_formats)
                .find(|format| &*format.name == name.as_str())
                .cloned()
                .or_else(|| known(name))
                .into_iter()
                .collect(),
            None => {
                let logs = settings.map(Settings::readable_logs).unwrap_or_default();
                let same = logs.into_iter().find(|log| log.path == self.path);
                same.map_or_else(
                    || COMBINED.into_iter().filter_map(known).collect(),
                    |log| log.formats,
                )
            }
        }
    }
}

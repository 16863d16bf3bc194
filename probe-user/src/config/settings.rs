//! The part of a configuration that says where the logs are and how many workers there should be.

use std::path::{Path, PathBuf};

use super::binary::Build;
use super::invocation::Invocation;
use super::lexer::Words;
use super::logs::{AccessLog, ErrorLog, LogList, LogTarget};
use super::path_of;
use super::read::{self, Block, Event};
use crate::rooted::Root;

/// What the agent needs to know of a configuration.
///
/// It is the configuration on disk: nginx may still run with an older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The main configuration file.
    pub conf_file: PathBuf,
    /// `pid`
    pub pid_path: PathBuf,
    /// Every access log of `http`, each once, in the order of the configuration; `off` included.
    pub access_logs: Vec<AccessLog>,
    /// Every error log, each once, in the order of the configuration.
    pub error_logs: Vec<ErrorLog>,
    /// `worker_processes`; 1 when not set.
    pub worker_processes: WorkerProcesses,
    /// `worker_connections`, per worker; 512 when not set.
    pub worker_connections: u32,
    /// Every file read, the main one first. Tables that `map` and its like include are not read.
    pub files: Vec<PathBuf>,
    /// What could not be read or understood, for people.
    pub warnings: Vec<String>,
}

/// How many workers nginx is told to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerProcesses {
    /// One per online CPU.
    Auto,
    /// That many.
    Count(u32),
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
        let conf_file =
            clean(&prefix.join(invocation.conf_file.as_ref().unwrap_or(&build.conf_path)));
        let mut collector = Collector::new(prefix);
        let report = read::walk(
            root,
            invocation.directives.as_deref(),
            &conf_file,
            &mut |blocks, event| collector.event(blocks, event),
        );
        let error_log = invocation
            .error_log
            .as_ref()
            .unwrap_or(&build.error_log_path);
        collector.finish(conf_file, build, error_log, report)
    }
}

/// A path without `.` and doubled slashes, so that one file has one name. `..` stays: what it
/// means depends on links.
fn clean(path: &Path) -> PathBuf {
    path.components().collect()
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact seen, independent of the others"
)]
struct Collector {
    prefix: PathBuf,
    pid: Option<PathBuf>,
    access_logs: LogList<AccessLog>,
    error_logs: LogList<ErrorLog>,
    worker_processes: WorkerProcesses,
    worker_connections: u32,
    warnings: Vec<String>,
    /// `access_log` stands directly in `http`.
    http_names_a_log: bool,
    /// `access_log` stands directly in the server that is being read.
    server_names_a_log: bool,
    /// A server does not name a log of its own.
    server_inherits: bool,
    /// `error_log` with a file stands outside every block.
    main_error_log: bool,
}

impl Collector {
    fn new(prefix: PathBuf) -> Self {
        Self {
            prefix,
            pid: None,
            access_logs: LogList::new(),
            error_logs: LogList::new(),
            worker_processes: WorkerProcesses::Count(1),
            worker_connections: 512,
            warnings: Vec::new(),
            http_names_a_log: false,
            server_names_a_log: false,
            server_inherits: false,
            main_error_log: false,
        }
    }

    fn event(&mut self, blocks: &[Block], event: &Event) {
        let names = |expected: &[&[u8]]| {
            blocks.len() == expected.len()
                && blocks
                    .iter()
                    .zip(expected)
                    .all(|(block, name)| block.name == *name)
        };
        match event {
            Event::Open(words) if names(&[b"http"]) && words.name() == b"server" => {
                self.server_names_a_log = false;
            }
            Event::Close if names(&[b"http", b"server"]) => {
                self.server_inherits |= !self.server_names_a_log;
            }
            Event::Directive(words) => match (words.name(), words.argument(0)) {
                (b"pid", Some(path)) if blocks.is_empty() => {
                    self.pid = Some(clean(&self.prefix.join(path_of(path))));
                }
                (b"worker_processes", Some(count)) if blocks.is_empty() => {
                    self.worker_processes(count);
                }
                (b"worker_connections", Some(count)) if names(&[b"events"]) => {
                    match number(count) {
                        Some(count) => self.worker_connections = count,
                        None => self.odd_value(words),
                    }
                }
                (b"access_log", Some(_)) if logs_requests(blocks) => {
                    self.http_names_a_log |= names(&[b"http"]);
                    self.server_names_a_log |= names(&[b"http", b"server"]);
                    let log = AccessLog::of(words, &self.prefix);
                    self.access_logs.add(log);
                }
                (b"error_log", Some(_)) if !holds_values(blocks) => {
                    let log = ErrorLog::of(words, &self.prefix);
                    self.main_error_log |= blocks.is_empty() && log.is_a_file_to_nginx();
                    self.error_logs.add(log);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn worker_processes(&mut self, value: &[u8]) {
        match (value, number(value)) {
            (b"auto", _) => self.worker_processes = WorkerProcesses::Auto,
            (_, Some(count)) if count > 0 => {
                self.worker_processes = WorkerProcesses::Count(count);
            }
            _ => self.warn(format!(
                "worker_processes has the odd value {:?}; 1 is assumed",
                String::from_utf8_lossy(value.get(..64).unwrap_or(value))
            )),
        }
    }

    fn odd_value(&mut self, words: &Words) {
        let value = words.argument(0).unwrap_or_default();
        self.warn(format!(
            "{} has the odd value {:?} on line {}",
            String::from_utf8_lossy(words.name()),
            String::from_utf8_lossy(value.get(..64).unwrap_or(value)),
            words.line
        ));
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < read::MAX_WARNINGS {
            self.warnings.push(warning);
        }
    }

    fn finish(
        mut self,
        conf_file: PathBuf,
        build: &Build,
        error_log: &Path,
        report: read::Report,
    ) -> Settings {
        if self.server_inherits && !self.http_names_a_log {
            let path = clean(&self.prefix.join(&build.access_log_path));
            self.access_logs
                .add(AccessLog::combined(LogTarget::File(path)));
        }
        if !self.main_error_log {
            self.error_logs
                .add(ErrorLog::compiled_in(error_log, &self.prefix));
        }
        let mut warnings = report.warnings;
        warnings.append(&mut self.warnings);
        Settings {
            conf_file,
            pid_path: self
                .pid
                .unwrap_or_else(|| clean(&self.prefix.join(&build.pid_path))),
            access_logs: self.access_logs.into_logs(),
            error_logs: self.error_logs.into_logs(),
            worker_processes: self.worker_processes,
            worker_connections: self.worker_connections,
            files: report.files,
            warnings,
        }
    }
}

/// Whether an `access_log` here is one of HTTP requests, as opposed to one of `stream`.
fn logs_requests(blocks: &[Block]) -> bool {
    blocks.first().is_some_and(|block| block.name == b"http") && !holds_values(blocks)
}

fn holds_values(blocks: &[Block]) -> bool {
    blocks.iter().any(Block::is_table)
}

fn number(text: &[u8]) -> Option<u32> {
    // `u32::from_str` takes a sign, nginx does not.
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, invocation: &Invocation) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("conf")).unwrap();
        std::fs::write(folder.path().join("conf/nginx.conf"), text).unwrap();
        let root = Root::at(folder.path()).unwrap();
        let build = Build {
            prefix: "/".into(),
            ..Build::default()
        };
        Settings::read(&root, &build, invocation, Path::new("/"))
    }

    fn access_logs(text: &str) -> Vec<String> {
        let settings = settings(text, &Invocation::default());
        settings
            .access_logs
            .iter()
            .map(|log| match &log.target {
                LogTarget::File(path) => format!("{} {}", path.display(), log.format),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn what_is_not_set_has_nginxs_defaults() {
        let settings = settings("events {} http { server {} }", &Invocation::default());
        assert_eq!(
            settings,
            Settings {
                conf_file: "/conf/nginx.conf".into(),
                pid_path: "/logs/nginx.pid".into(),
                access_logs: vec![AccessLog::combined(LogTarget::File(
                    "/logs/access.log".into()
                ))],
                error_logs: vec![ErrorLog {
                    target: LogTarget::File("/logs/error.log".into()),
                    level: "error".into()
                }],
                worker_processes: WorkerProcesses::Count(1),
                worker_connections: 512,
                files: vec!["/conf/nginx.conf".into()],
                warnings: vec![],
            }
        );
    }

    #[test]
    fn the_command_line_counts() {
        let invocation = Invocation {
            prefix: Some("srv".into()),
            conf_file: Some("/conf/nginx.conf".into()),
            directives: Some(b"pid run/a.pid; worker_processes 4;".to_vec()),
            error_log: Some("e.log".into()),
        };
        let settings = settings(
            "events { worker_connections 7; } http { server {} }",
            &invocation,
        );
        assert_eq!(settings.pid_path, Path::new("/srv/run/a.pid"));
        assert_eq!(settings.worker_processes, WorkerProcesses::Count(4));
        assert_eq!(settings.worker_connections, 7);
        assert_eq!(
            settings.error_logs[0].target,
            LogTarget::File("/srv/e.log".into())
        );
        assert_eq!(
            settings.access_logs[0].target,
            LogTarget::File("/srv/logs/access.log".into())
        );
    }

    #[test]
    fn the_default_access_log_serves_whoever_names_none() {
        for (text, expected) in [
            ("http { access_log a; server {} }", vec!["/a combined"]),
            ("http { access_log off; server {} }", vec!["Off"]),
            ("http { server { access_log a main; } }", vec!["/a main"]),
            (
                "http { server { access_log /a; } server { location / { access_log /b; } } }",
                vec!["/a combined", "/b combined", "/logs/access.log combined"],
            ),
            ("http { }", vec![]),
            (
                "stream { access_log s x; server { access_log t x; } }",
                vec![],
            ),
            (
                "http { map $a $b { access_log /no; } access_log .//y; access_log y; }",
                vec!["/y combined"],
            ),
        ] {
            assert_eq!(access_logs(text), expected, "{text}");
        }
    }

    #[test]
    fn error_logs_of_every_level_are_found() {
        let text = "error_log syslog:server=unix:/log; stream { error_log s warn; }
            http { error_log h; server { error_log h; error_log stderr; } types { error_log no; } }";
        let settings = settings(text, &Invocation::default());
        let targets: Vec<_> = settings.error_logs.iter().map(|log| &log.target).collect();
        assert_eq!(
            targets,
            [
                &LogTarget::Syslog("server=unix:/log".into()),
                &LogTarget::File("/s".into()),
                &LogTarget::File("/h".into()),
                &LogTarget::Unreadable {
                    why: "it goes to standard error".into()
                },
                &LogTarget::File("/logs/error.log".into()),
            ]
        );
        assert_eq!(settings.error_logs[1].level, "warn");
    }

    #[test]
    fn odd_values_are_warnings() {
        let text = "worker_processes -3; events { worker_connections 9999999999; } \
            http { pid /no; access_log; }";
        let settings = settings(text, &Invocation::default());
        assert_eq!(
            settings.warnings,
            [
                "worker_processes has the odd value \"-3\"; 1 is assumed",
                "worker_connections has the odd value \"9999999999\" on line 1"
            ]
        );
        assert_eq!(settings.pid_path, Path::new("/logs/nginx.pid"));
        let auto = self::settings("worker_processes auto;", &Invocation::default());
        assert_eq!(auto.worker_processes, WorkerProcesses::Auto);
    }
}

//! Builds the model out of the events of a walk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::binary::Build;
use super::effective::{Effective, Merger, Own};
use super::invocation::Invocation;
use super::lexer::Words;
use super::listen::Listen;
use super::location::{self, Location};
use super::log_format::{Formats, LogFormat};
use super::logs::{AccessLog, ErrorLog, LogTarget};
use super::pool::{MAX_MODEL, Pool, Table, text};
use super::process::Main;
use super::read::{self, Event};
use super::server::Server;
use super::settings::{Settings, places_of};
use super::upstream::Upstream;

/// Paths of `mirror` that are kept; more is no real configuration.
const MAX_MIRRORS: usize = 256;

/// A block that is open.
#[derive(Debug)]
enum Frame {
    Events,
    Http,
    Server(Box<Server>),
    Location(Box<Location>),
    Upstream(Box<Upstream>),
    /// Another block of directives: `stream`, `mail`, one of a module we do not know.
    Other,
    /// A block of values or code.
    Values,
}

#[derive(Debug)]
pub(super) struct Collector {
    prefix: PathBuf,
    uid: u32,
    pool: Pool,
    /// Stands for the settings in force until they are known.
    unknown: Arc<Effective>,
    frames: Vec<Frame>,
    main: Main,
    main_error_logs: Vec<u32>,
    http: Option<Box<Own>>,
    access_logs: Table<AccessLog>,
    error_logs: Table<ErrorLog>,
    formats: Formats,
    servers: Vec<Server>,
    upstreams: Vec<Upstream>,
    mirrors: BTreeSet<Arc<str>>,
    warnings: Vec<String>,
}

impl Collector {
    pub(super) fn new(prefix: PathBuf, uid: u32) -> Self {
        Self {
            prefix,
            uid,
            pool: Pool::new(MAX_MODEL),
            unknown: Arc::default(),
            frames: Vec::new(),
            main: Main::new(),
            main_error_logs: Vec::new(),
            http: None,
            access_logs: Table::new(),
            error_logs: Table::new(),
            formats: Formats::new(),
            servers: Vec::new(),
            upstreams: Vec::new(),
            mirrors: BTreeSet::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Open(words) => {
                if words.name().ends_with(b"_by_lua_block") {
                    self.directive(words);
                }
                let frame = self.open(words);
                self.frames.push(frame);
            }
            Event::Close => self.close(),
            Event::Directive(words) => self.directive(words),
        }
    }

    /// What was collected, with inheritance applied.
    pub(super) fn finish(
        mut self,
        conf_file: PathBuf,
        build: &Build,
        invocation: &Invocation,
        report: read::Report,
    ) -> Settings {
        let default_log = self.default_access_log(build);
        self.default_error_log(
            invocation
                .error_log
                .as_ref()
                .unwrap_or(&build.error_log_path),
        );
        let access_logs = self.known_formats();
        let error_logs: Vec<_> = arcs(self.error_logs.into_items());
        let mut merger = Merger::new(access_logs.clone(), error_logs.clone());
        let outermost = merger.outermost(&self.main_error_logs);
        let main_error_logs = Arc::clone(&merger.effective(outermost).error_logs);
        let mut http = merger.merge(outermost, &self.http.take().unwrap_or_default());
        if let Some(log) = default_log {
            http = merger.with_access_log(http, log);
        }
        for server in &mut self.servers {
            server.level.inherit(http, None, &mut merger);
        }
        let mut warnings = report.warnings;
        warnings.append(&mut self.warnings);
        if self.pool.exhausted() {
            warnings.push(format!(
                "the configuration needs more than {MAX_MODEL} bytes of memory: some of it is left out"
            ));
        }
        self.servers.shrink_to_fit();
        Settings {
            conf_file,
            pid_path: self.main.pid.unwrap_or_else(|| {
                let path = self.prefix.join(&build.pid_path);
                path.components().collect()
            }),
            log_formats: self.formats.into_formats(),
            access_logs,
            error_logs,
            main_error_logs,
            worker_processes: self.main.worker_processes,
            worker_connections: self.main.worker_connections,
            process: self.main.process,
            servers: self.servers,
            upstream_places: places_of(&self.upstreams),
            upstreams: self.upstreams,
            mirrors: self.mirrors,
            files: report.files,
            warnings,
            unread: report.unread,
        }
    }

    /// The log of servers that name none, nor inherit one from `http`.
    fn default_access_log(&mut self, build: &Build) -> Option<u32> {
        let silent = |own: &Option<Box<Own>>| {
            own.as_ref()
                .is_none_or(|own| own.access_logs.is_empty() && !own.log_off)
        };
        let wanted = silent(&self.http)
            && self
                .servers
                .iter()
                .any(|server| server.level.is_own(silent));
        wanted.then(|| {
            let path = self.prefix.join(&build.access_log_path);
            let path = path.components().collect();
            self.access_logs
                .add(AccessLog::combined(LogTarget::File(path)))
        })
    }

    /// nginx opens the compiled-in log when the main level names no file.
    fn default_error_log(&mut self, path: &Path) {
        let opens_a_file = |&number: &u32| {
            self.error_logs
                .get(number)
                .is_some_and(ErrorLog::is_a_file_to_nginx)
        };
        if !self.main_error_logs.iter().any(opens_a_file) {
            let log = ErrorLog::compiled_in(path, &self.prefix);
            self.main_error_logs.push(self.error_logs.add(log));
        }
    }

    /// The access logs, each with its format.
    fn known_formats(&mut self) -> Vec<Arc<AccessLog>> {
        let mut logs = std::mem::replace(&mut self.access_logs, Table::new()).into_items();
        for log in &mut logs {
            // The order does not count: nginx refuses a format that is defined later, but then
            // the configuration on disk is being edited, and it is clear what is meant.
            log.log_format = self.formats.find(&log.format).cloned();
            if log.log_format.is_none() && log.target != LogTarget::Off {
                self.warn(format!(
                    "{} has the format {:?}, which no log_format defines",
                    log.target, log.format
                ));
            }
        }
        arcs(logs)
    }

    fn open(&mut self, words: &Words) -> Frame {
        let name = words.name();
        if read::is_table(name)
            || name.ends_with(b"_by_lua_block")
            || matches!(self.frames.last(), Some(Frame::Values))
        {
            return Frame::Values;
        }
        let (unknown, pool) = (&self.unknown, &mut self.pool);
        match (self.frames.last(), name) {
            (None, b"events") => Frame::Events,
            (None, b"http") => Frame::Http,
            (Some(Frame::Http), b"server") if pool.take::<Server>() => {
                Frame::Server(Box::new(Server::new(unknown)))
            }
            (Some(Frame::Http), b"upstream") if pool.take::<Upstream>() => {
                Frame::Upstream(Box::new(Upstream::of(words, pool)))
            }
            (
                Some(Frame::Server(_) | Frame::Location(_)),
                b"location" | b"if" | b"limit_except",
            ) if pool.take::<Location>() => {
                Frame::Location(Box::new(Location::of(words, unknown, pool)))
            }
            _ => Frame::Other,
        }
    }

    fn close(&mut self) {
        match self.frames.pop() {
            Some(Frame::Server(mut server)) => {
                if server.listens.is_empty() {
                    server.listens.push(Listen::implicit(self.uid));
                }
                if server.names.is_empty() {
                    server.names.push(self.pool.text(b""));
                }
                server.listens.shrink_to_fit();
                server.names.shrink_to_fit();
                server.level.locations.shrink_to_fit();
                self.servers.push(*server);
            }
            Some(Frame::Location(mut location)) => {
                location.level.locations.shrink_to_fit();
                match self.frames.last_mut() {
                    Some(Frame::Server(server)) => server.level.locations.push(*location),
                    Some(Frame::Location(outer)) => outer.level.locations.push(*location),
                    _ => {}
                }
            }
            Some(Frame::Upstream(mut upstream)) => {
                upstream.servers.shrink_to_fit();
                self.upstreams.push(*upstream);
            }
            _ => {}
        }
    }

    fn directive(&mut self, words: &Words) {
        match words.name() {
            b"access_log" => self.access_log(words),
            b"error_log" => self.error_log(words),
            b"mirror" | b"post_action" => {
                self.mirror(words);
                self.of_level(words);
            }
            _ => self.of_level(words),
        }
    }

    fn of_level(&mut self, words: &Words) {
        let odd = match self.frames.last_mut() {
            None if self.main.directive(words, &self.prefix) => None,
            Some(Frame::Events) if self.main.events(words) => None,
            None | Some(Frame::Events) => words.argument(0).map(text),
            Some(Frame::Http) if words.name() == b"log_format" => self.log_format(words),
            Some(Frame::Http) => location::inherited(&mut self.http, words, &mut self.pool).err(),
            Some(Frame::Server(server)) => match words.name() {
                b"listen" => Listen::add(words, &mut self.pool, &mut server.listens).err(),
                b"server_name" => {
                    server.name(words, &mut self.pool);
                    None
                }
                _ => server.level.directive(words, &mut self.pool).err(),
            },
            Some(Frame::Location(location)) => {
                location.level.directive(words, &mut self.pool).err()
            }
            Some(Frame::Upstream(upstream)) => upstream.directive(words, &mut self.pool),
            Some(Frame::Other | Frame::Values) => None,
        };
        if let Some(value) = odd {
            self.odd_value(words, &value);
        }
    }

    fn log_format(&mut self, words: &Words) -> Option<String> {
        let (format, odd) = LogFormat::of(words, &mut self.pool);
        let taken = format.is_some_and(|format| !self.formats.add(format));
        odd.or_else(|| words.argument(0).filter(|_| taken).map(text))
    }

    fn mirror(&mut self, words: &Words) {
        let path = words.argument(0).filter(|path| path.starts_with(b"/"));
        if let Some(path) = path
            && self.mirrors.len() < MAX_MIRRORS
        {
            self.mirrors.insert(self.pool.text(path));
        }
    }

    fn access_log(&mut self, words: &Words) {
        let in_http = matches!(self.frames.first(), Some(Frame::Http));
        let in_values = matches!(self.frames.last(), None | Some(Frame::Values));
        if !in_http || in_values || words.argument(0).is_none() {
            return;
        }
        let log = AccessLog::of(words, &self.prefix);
        let off = log.target == LogTarget::Off;
        let number = number_of(&mut self.access_logs, log, words, &mut self.pool);
        if let (Some(number), Some(own)) = (number, self.own()) {
            own.log_off |= off;
            own.access_logs.push(number);
        }
    }

    fn error_log(&mut self, words: &Words) {
        if matches!(self.frames.last(), Some(Frame::Values)) || words.argument(0).is_none() {
            return;
        }
        let log = ErrorLog::of(words, &self.prefix);
        let number = number_of(&mut self.error_logs, log, words, &mut self.pool);
        if let Some(number) = number {
            if self.frames.is_empty() {
                self.main_error_logs.push(number);
            } else if let Some(own) = self.own() {
                own.error_logs.push(number);
            }
        }
    }

    /// What the level that is being read says itself; `None` outside `http`.
    fn own(&mut self) -> Option<&mut Own> {
        match self.frames.last_mut()? {
            Frame::Http => location::own(&mut self.http, &mut self.pool),
            Frame::Server(server) => server.level.own(&mut self.pool),
            Frame::Location(location) => location.level.own(&mut self.pool),
            _ => None,
        }
    }

    fn odd_value(&mut self, words: &Words, value: &str) {
        let name = String::from_utf8_lossy(words.name());
        let shown: String = value.chars().take(64).collect();
        let assumed = if words.name() == b"worker_processes" {
            "; 1 is assumed"
        } else {
            ""
        };
        self.warn(format!(
            "{name} has the odd value {shown:?} on line {}{assumed}",
            words.line
        ));
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < read::MAX_WARNINGS {
            self.warnings.push(warning);
        }
    }
}

/// The number of a log in its table; `None` with no room for another.
fn number_of<T: Clone + Eq + std::hash::Hash>(
    table: &mut Table<T>,
    log: T,
    words: &Words,
    pool: &mut Pool,
) -> Option<u32> {
    // The table holds it twice, then the model in an Arc.
    let length: usize = words.arguments().map(<[u8]>::len).sum();
    let known = table.contains(&log);
    (known || pool.take_bytes(3 * (size_of::<T>() + length))).then(|| table.add(log))
}

fn arcs<T>(items: Vec<T>) -> Vec<Arc<T>> {
    items.into_iter().map(Arc::new).collect()
}

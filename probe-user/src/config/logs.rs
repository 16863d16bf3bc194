//! `access_log` and `error_log` directives.

use std::collections::HashSet;
use std::hash::Hash;
use std::path::{Path, PathBuf};

use super::lexer::Words;
use super::path_of;

/// Logs of one kind that are kept; more is no real configuration.
const MAX_LOGS: usize = 10_000;

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// A file, by its absolute path in nginx's root. It may be a device or a pipe.
    File(PathBuf),
    /// Nowhere.
    Off,
    /// A syslog server; the parameters.
    Syslog(String),
    /// Somewhere that the agent cannot read.
    Unreadable {
        /// Why not, for people.
        why: String,
    },
}

/// One `access_log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessLog {
    /// Where it goes.
    pub target: LogTarget,
    /// The name of its `log_format`.
    pub format: String,
}

/// One `error_log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorLog {
    /// Where it goes.
    pub target: LogTarget,
    /// The lowest level that is logged.
    pub level: String,
}

impl AccessLog {
    /// A log in nginx's own format.
    #[must_use]
    pub fn combined(target: LogTarget) -> Self {
        Self {
            target,
            format: "combined".into(),
        }
    }

    pub(super) fn of(words: &Words, prefix: &Path) -> Self {
        let target = words.argument(0).unwrap_or_default();
        // `access_log PATH FORMAT PARAMETERS`; parameters are `gzip` or `name=value`.
        let is_parameter = |word: &&[u8]| *word == b"gzip" || word.contains(&b'=');
        let format = words.argument(1).filter(|word| !is_parameter(word));
        let compressed = words
            .arguments()
            .skip(1)
            .any(|word| word == b"gzip" || word.starts_with(b"gzip="));
        let target = if target == b"off" {
            LogTarget::Off
        } else if target.contains(&b'$') {
            unreadable(format!("its path has variables: {}", text(target)))
        } else if compressed && !target.starts_with(b"syslog:") {
            unreadable(format!("nginx compresses it: {}", text(target)))
        } else {
            target_of(target, prefix)
        };
        Self {
            target,
            format: text(format.unwrap_or(b"combined")),
        }
    }
}

impl ErrorLog {
    pub(super) fn of(words: &Words, prefix: &Path) -> Self {
        let target = words.argument(0).unwrap_or_default();
        Self {
            target: error_target_of(target, prefix),
            level: text(words.argument(1).unwrap_or(b"error")),
        }
    }

    /// The log that nginx opens when the configuration names no file.
    pub(super) fn compiled_in(path: &Path, prefix: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let target = error_target_of(path.as_os_str().as_bytes(), prefix);
        Self {
            target,
            level: "error".into(),
        }
    }

    /// Whether nginx then opens no other by default (`ngx_log_open_default`).
    pub(super) fn is_a_file_to_nginx(&self) -> bool {
        match &self.target {
            LogTarget::File(_) => true,
            LogTarget::Unreadable { why } => why == STDERR,
            LogTarget::Off | LogTarget::Syslog(_) => false,
        }
    }
}

const STDERR: &str = "it goes to standard error";

fn error_target_of(target: &[u8], prefix: &Path) -> LogTarget {
    if target == b"stderr" || target.is_empty() {
        unreadable(STDERR.into())
    } else if target.starts_with(b"memory:") {
        unreadable("it is kept in nginx's memory".into())
    } else {
        target_of(target, prefix)
    }
}

fn target_of(target: &[u8], prefix: &Path) -> LogTarget {
    match target.strip_prefix(b"syslog:") {
        Some(parameters) => LogTarget::Syslog(text(parameters)),
        None => LogTarget::File(prefix.join(path_of(target)).components().collect()),
    }
}

fn unreadable(why: String) -> LogTarget {
    LogTarget::Unreadable { why }
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word.get(..4096).unwrap_or(word)).into_owned()
}

/// Logs in the order they were named, each once.
#[derive(Debug)]
pub(super) struct LogList<T> {
    logs: Vec<T>,
    seen: HashSet<T>,
}

impl<T: Clone + Eq + Hash> LogList<T> {
    pub(super) fn new() -> Self {
        Self {
            logs: Vec::new(),
            seen: HashSet::new(),
        }
    }

    pub(super) fn add(&mut self, log: T) {
        if self.logs.len() < MAX_LOGS && self.seen.insert(log.clone()) {
            self.logs.push(log);
        }
    }

    pub(super) fn into_logs(self) -> Vec<T> {
        self.logs
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{Lexer, Statement};
    use super::*;

    fn words(text: &[u8]) -> Words<'_> {
        match Lexer::new(text).statement().unwrap().unwrap() {
            Statement::Simple(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn access_log_forms() {
        let file = |path: &str| LogTarget::File(path.into());
        let why = |why: &str| LogTarget::Unreadable { why: why.into() };
        for (text, target, format) in [
            ("access_log /a;", file("/a"), "combined"),
            ("access_log logs/a main;", file("/p/logs/a"), "main"),
            (
                "access_log /a main buffer=32k flush=1s if=$x;",
                file("/a"),
                "main",
            ),
            ("access_log /a buffer=32k;", file("/a"), "combined"),
            ("access_log off;", LogTarget::Off, "combined"),
            (
                "access_log /$host main;",
                why("its path has variables: /$host"),
                "main",
            ),
            (
                "access_log /a main gzip;",
                why("nginx compresses it: /a"),
                "main",
            ),
            (
                "access_log /a gzip=5;",
                why("nginx compresses it: /a"),
                "combined",
            ),
            (
                "access_log syslog:server=h,tag=gzip f;",
                LogTarget::Syslog("server=h,tag=gzip".into()),
                "f",
            ),
        ] {
            let log = AccessLog::of(&words(text.as_bytes()), Path::new("/p"));
            assert_eq!(
                log,
                AccessLog {
                    target,
                    format: format.into()
                },
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_need_not_be_utf_8() {
        let log = AccessLog::of(&words(b"access_log /\xff \xfe;"), Path::new("/p"));
        assert_eq!(log.target, LogTarget::File(path_of(b"/\xff").into()));
        assert_eq!(log.format, "\u{fffd}");
    }

    #[test]
    fn each_log_is_kept_once() {
        let mut list = LogList::new();
        for log in [3, 1, 3, 1] {
            list.add(log);
        }
        assert_eq!(list.into_logs(), [3, 1]);
    }
}

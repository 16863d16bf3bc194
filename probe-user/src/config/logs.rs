//! `access_log` and `error_log` directives.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::lexer::Words;
use super::log_format::LogFormat;
use super::path_of;
use super::pool::text;
use super::units::{size, time};

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

impl std::fmt::Display for LogTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "the log {}", path.display()),
            Self::Off => write!(f, "no log"),
            Self::Syslog(server) => write!(f, "the log to syslog ({server})"),
            Self::Unreadable { why } => write!(f, "a log that cannot be read ({why})"),
        }
    }
}

/// One `access_log`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccessLog {
    /// Where it goes.
    pub target: LogTarget,
    /// The name of its `log_format`.
    pub format: String,
    /// That format; `None` when none of that name is defined.
    pub log_format: Option<Arc<LogFormat>>,
    /// `if=`: only requests for which this is neither empty nor `0` are logged.
    pub condition: Option<String>,
    /// Lines are written late.
    pub buffer: Option<Buffer>,
}

/// How late lines of a log are written: when the buffer is full, and after `flush` at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// Its size in each worker, in bytes.
    pub bytes: u64,
    /// The longest a line waits; `None` for as long as it takes to fill the buffer.
    pub flush: Option<Duration>,
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
            log_format: None,
            condition: None,
            buffer: None,
        }
    }

    /// `access_log PATH [FORMAT [PARAMETER …]]`.
    pub(super) fn of(words: &Words, prefix: &Path) -> Self {
        let target = words.argument(0).unwrap_or_default();
        let is_parameter = |word: &&[u8]| *word == b"gzip" || word.contains(&b'=');
        // nginx refuses a parameter where the format belongs; it is taken for one all the same.
        let format = words.argument(1).filter(|word| !is_parameter(word));
        let mut log = Self::combined(LogTarget::Off);
        log.format = text(format.unwrap_or(b"combined"));
        let (mut compressed, mut flush) = (false, None);
        for word in words.arguments().skip(1) {
            if word == b"gzip" || word.starts_with(b"gzip=") {
                compressed = true;
            } else if let Some(condition) = word.strip_prefix(b"if=") {
                log.condition = Some(text(condition));
            } else if let Some(bytes) = word.strip_prefix(b"buffer=") {
                log.buffer = size(bytes).map(|bytes| Buffer { bytes, flush: None });
            } else if let Some(interval) = word.strip_prefix(b"flush=") {
                flush = time(interval);
            }
        }
        if let Some(buffer) = &mut log.buffer {
            buffer.flush = flush;
        }
        log.target = if target == b"off" {
            LogTarget::Off
        } else if target.starts_with(b"syslog:") {
            target_of(target, prefix)
        } else if target.contains(&b'$') {
            unreadable(format!("its path has variables: {}", text(target)))
        } else if compressed {
            unreadable(format!("nginx compresses it: {}", text(target)))
        } else {
            target_of(target, prefix)
        };
        log
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
            assert_eq!((&log.target, &*log.format), (&target, format), "{text}");
        }
    }

    #[test]
    fn how_late_and_whether_at_all() {
        let log = |text: &str| AccessLog::of(&words(text.as_bytes()), Path::new("/"));
        let buffered = log("access_log a main buffer=32k flush=1m if=$slow;");
        assert_eq!(buffered.condition.as_deref(), Some("$slow"));
        let buffer = |bytes, flush| Buffer { bytes, flush };
        assert_eq!(
            buffered.buffer,
            Some(buffer(32 << 10, Some(Duration::from_mins(1))))
        );
        assert_eq!(
            log("access_log a main flush=5 buffer=1;").buffer,
            Some(buffer(1, Some(Duration::from_secs(5))))
        );
        assert_eq!(
            log("access_log a main buffer=1k;").buffer,
            Some(buffer(1024, None))
        );
        assert_eq!(log("access_log a main buffer=x;").buffer, None);
    }

    #[test]
    fn a_path_need_not_be_utf_8() {
        let log = AccessLog::of(&words(b"access_log /\xff \xfe;"), Path::new("/p"));
        assert_eq!(log.target, LogTarget::File(path_of(b"/\xff").into()));
        assert_eq!(log.format, "\u{fffd}");
    }
}

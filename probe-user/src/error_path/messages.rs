//! What the messages are that workers have for their error logs.

use std::{collections::HashMap, fs::File, os::unix::fs::FileExt as _, path::Path};

use nginx_probe_ebpf::{
    connection::{self, message_parts},
    record::{self, FORMAT_LEN},
};
use serde::{Deserialize, Serialize};

use crate::{
    errnos,
    error_log::{Class, Level, class::by_name, of_format},
    names::{self, Name},
};

/// Kinds of messages that are known at once; the kernel's table has no room for more.
const MAX_KNOWN: usize = 4096;

/// A message that nginx had for its error log, whether it was written there or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What it says.
    #[serde(with = "by_name")]
    pub class: &'static Class,
    /// How bad nginx takes it to be.
    pub level: Level,
    /// The name of the system's error that it tells of.
    #[serde(deserialize_with = "names::optional")]
    pub errno: Option<Name>,
    /// The system call that gave it, where the message names one.
    #[serde(deserialize_with = "names::optional")]
    pub call: Option<Name>,
}

/// The classes of the messages that workers have had.
#[derive(Debug, Default)]
pub struct Messages {
    known: HashMap<connection::Message, Message>,
}

impl Messages {
    /// Takes in what a new kind of message says.
    pub fn learn(&mut self, proc_root: &Path, record: &record::LogMessage) {
        let key = connection::Message {
            message: record.message,
            pid: record.header.pid,
            errno: record.errno,
            about: record.about,
        };
        let (level, address) = message_parts(record.message);
        let Some(level) = level_of(level) else {
            return;
        };
        let mut format = text(&record.format).to_vec();
        if format.is_empty() {
            // The kernel half reads no page that the worker has not touched yet.
            format = read(proc_root, key.pid, address).unwrap_or_default();
        }
        if self.known.len() < MAX_KNOWN || self.known.contains_key(&key) {
            let errno = u32::from(record.errno);
            let connected = record.about != 0;
            let class = of_format(&format, text(&record.argument), level, errno, connected);
            log::debug!(
                "process {} says {:?}: {}",
                key.pid,
                String::from_utf8_lossy(&format),
                class.name
            );
            let errno = (errno != 0).then(|| errnos::name(errno));
            let message = Message {
                class,
                level,
                errno,
                call: call_of(&format, text(&record.argument)),
            };
            self.known.insert(key, message);
        }
    }

    /// The message that belongs to an answer.
    #[must_use]
    pub fn of_answer(&self, record: &record::Request) -> Option<Message> {
        self.get(&connection::Message {
            message: record.message,
            pid: record.header.pid,
            errno: record.message_errno,
            about: 1,
        })
        .cloned()
    }

    /// What a message that was counted says.
    #[must_use]
    pub fn get(&self, key: &connection::Message) -> Option<&Message> {
        self.known.get(key)
    }

    /// Forgets the messages of processes that `lives` denies.
    pub fn forget(&mut self, lives: impl Fn(u32) -> bool) {
        self.known.retain(|key, _| lives(key.pid));
    }
}

/// The system call that a message is about, by the name with which it begins: nginx writes
/// `name() failed` or `name() "path" failed`, with the C library's names. Where a file was opened
/// for others, the name is the first argument (`ngx_open_cached_file`).
fn call_of(format: &[u8], argument: &[u8]) -> Option<&'static str> {
    const NAMES: [(&str, &str); 17] = [
        ("accept4", "accept4"),
        ("accept", "accept"),
        ("socket", "socket"),
        ("open", "openat"),
        ("openat", "openat"),
        ("mkdir", "mkdir"),
        ("unlink", "unlink"),
        ("rename", "rename"),
        ("read", "read"),
        ("pread", "pread64"),
        ("write", "write"),
        ("writev", "writev"),
        ("pwrite", "pwrite64"),
        ("pwritev", "pwritev"),
        ("sendfile", "sendfile"),
        ("ftruncate", "ftruncate"),
        ("epoll_ctl", "epoll_ctl"),
    ];
    let begin = if format.starts_with(b"%s ") {
        argument
    } else {
        format
    };
    let name = begin.split(|byte| *byte == b'(').next()?;
    begin.get(name.len()..)?.strip_prefix(b"()")?;
    let named = |(said, _): &&(&str, &str)| said.as_bytes() == name;
    NAMES.iter().find(named).map(|(_, call)| *call)
}

/// The level by its number in nginx (`ngx_log.h`).
fn level_of(number: u8) -> Option<Level> {
    Level::ALL.get(usize::from(number).checked_sub(1)?).copied()
}

/// The bytes before the first NUL.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn read(proc_root: &Path, pid: u32, address: u64) -> Option<Vec<u8>> {
    let memory = File::open(proc_root.join(pid.to_string()).join("mem")).ok()?;
    let mut bytes = [0; FORMAT_LEN];
    let length = memory.read_at(&mut bytes, address).ok()?;
    Some(text(bytes.get(..length)?).to_vec())
}

#[cfg(test)]
mod tests {
    use super::call_of;

    #[test]
    fn a_message_names_its_call() {
        for (format, argument, call) in [
            ("accept4() failed", "", Some("accept4")),
            ("open() \"%s\" failed", "/a", Some("openat")),
            ("%s \"%s\" failed", "open()", Some("openat")),
            ("%s \"%s\" failed", "/a", None),
            ("pwrite() \"%s\" failed", "", Some("pwrite64")),
            ("malloc(%uz) failed", "", None),
            ("connect() failed", "", None),
            ("%ui worker_connections are not enough", "open()", None),
            ("open", "", None),
            ("", "", None),
        ] {
            let found = call_of(format.as_bytes(), argument.as_bytes());
            assert_eq!(found, call, "{format}");
        }
    }
}

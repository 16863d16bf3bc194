//! What nginx's own logs say of one failed answer.

use serde::{Deserialize, Serialize};

use super::words;
use crate::{
    access_log::{
        Entry, Escape, Field,
        how::{self, Hidden, How},
    },
    errnos,
    error_log::{Class, Level, Line, class::by_name},
    names::{self, Name},
    requests::RequestLine,
    sinks::printable::printable,
};

/// Attempts at upstreams that are kept of one line; nginx makes far fewer.
const MAX_ATTEMPTS: usize = 8;
/// The longest name that is kept, in bytes.
const MAX_NAME: usize = 128;

/// A failed answer, or several alike, that the access log tells of: one with a status of 500 or
/// above, one that hides an upstream's failure, or one of which a message says that it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// What the client was sent.
    pub status: u16,
    /// What the line says of the way to it.
    pub how: How,
    /// The upstreams' statuses in order; nothing for one that brought none, or where the format
    /// does not tell.
    pub upstream_status: Vec<Option<u16>>,
    /// The last upstream's address.
    pub upstream: Option<String>,
    /// The request, where the format tells.
    pub request: Option<RequestLine>,
    /// The request is named as the client named it, not as nginx has rewritten it.
    #[serde(default)]
    pub as_sent: bool,
    /// The client's address, as `realip` left it.
    pub client: Option<String>,
    /// The connection's number, as the error log has it.
    pub connection: Option<u64>,
    /// The worker, in its own pid namespace.
    pub pid: Option<u32>,
    /// So many of them. Of more than one nothing but status and way is known.
    pub count: u64,
}

impl Logged {
    /// What a line says; nothing when it tells of no failure.
    #[must_use]
    pub fn of(entry: &Entry<'_>, escape: Escape) -> Option<Self> {
        let status = entry.status()?;
        let how = if status >= 500 {
            how::failed(entry, status, escape)
        } else if how::hidden(entry, status) == Hidden::Masked {
            How::Masked
        } else {
            return None;
        };
        Some(Self::read(entry, status, how, escape))
    }

    /// What a line says of an answer that was sent with a status below 500; nothing when the client
    /// had left, or another try at an upstream is known to have succeeded.
    #[must_use]
    pub fn of_better(entry: &Entry<'_>, status: u16, escape: Escape) -> Option<Self> {
        /// nginx's own status for a client that did not wait.
        const CLIENT_LEFT: u16 = 499;
        if status >= 500 || status == CLIENT_LEFT || how::hidden(entry, status) != Hidden::Nothing {
            return None;
        }
        Some(Self::read(entry, status, How::Untold, escape))
    }

    fn read(entry: &Entry<'_>, status: u16, how: How, escape: Escape) -> Self {
        let name = |field| {
            let value = entry.present(field)?;
            Some(text(&escape.unescape(value)))
        };
        let upstreams = entry.upstream_addr().take(MAX_ATTEMPTS);
        let upstream = upstreams.filter(|one| !matches!(one.value, b"" | b"-"));
        Self {
            status,
            how,
            upstream_status: entry
                .upstream_status()
                .take(MAX_ATTEMPTS)
                .map(|attempt| attempt.status())
                .collect(),
            upstream: upstream.last().map(|one| text(one.value)),
            request: request(entry, escape),
            as_sent: [Field::Request, Field::RequestUri]
                .iter()
                .any(|field| entry.present(*field).is_some()),
            client: name(Field::RemoteAddr),
            connection: entry.connection(),
            pid: entry.pid(),
            count: 1,
        }
    }

    /// Several of which no more is told apart.
    #[must_use]
    pub fn several(status: u16, how: How, count: u64) -> Self {
        Self {
            status,
            how,
            upstream_status: Vec::new(),
            upstream: None,
            request: None,
            as_sent: false,
            client: None,
            connection: None,
            pid: None,
            count,
        }
    }
}

/// The request, cut as the kernel half cuts it, so that both have the same.
fn request(entry: &Entry<'_>, escape: Escape) -> Option<RequestLine> {
    if let Some(line) = entry.get(Field::Request) {
        return RequestLine::parse_whole(&escape.unescape(line));
    }
    let path = entry.path_without_query()?;
    let method = entry.method()?;
    let mut line = method.to_vec();
    line.push(b' ');
    line.extend_from_slice(&escape.unescape(path));
    line.push(b' ');
    RequestLine::parse_whole(&line)
}

fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..MAX_NAME).unwrap_or(bytes);
    printable(String::from_utf8_lossy(bytes))
}

/// A message of the error log about one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// What it says.
    #[serde(with = "by_name")]
    pub class: &'static Class,
    /// How bad nginx takes it to be.
    pub level: Level,
    /// The name of the system's error that it tells of.
    #[serde(deserialize_with = "names::optional")]
    pub errno: Option<Name>,
    /// The worker, in its own pid namespace.
    pub pid: u32,
    /// The connection's number.
    pub connection: Option<u64>,
    /// The request.
    pub request: Option<RequestLine>,
    /// The client's address.
    pub client: Option<String>,
    /// The upstream that it is about.
    pub upstream: Option<String>,
    /// The file that it is about.
    pub file: Option<String>,
    /// The subrequest's path, where it is about one.
    #[serde(default)]
    pub subrequest: Option<String>,
    /// The rule of a firewall that it tells of.
    #[serde(default)]
    pub rule: Option<String>,
    /// In nginx's own words, without what others may hide in them.
    #[serde(default)]
    pub words: Option<String>,
}

impl Noted {
    /// What a line says; nothing when it is neither about a client that waits for an answer nor
    /// about one that was never heard.
    #[must_use]
    pub fn of(line: &Line<'_>) -> Option<Self> {
        use crate::error_log::Answer;
        let words = line.class.says_words() && line.level <= Level::Error;
        let harmless =
            matches!(line.class.answer, Answer::Unharmed) && line.class.cause.is_none() && !words;
        let unheard = matches!(line.class.answer, Answer::NoAnswer) && line.class.cause.is_some();
        if harmless || line.client.is_none() && !unheard {
            return None;
        }
        Some(Self {
            class: line.class,
            level: line.level,
            errno: line.errno.map(|(number, _)| errnos::name(number)),
            pid: line.pid,
            connection: line.connection,
            request: line.request.and_then(RequestLine::parse_whole),
            client: line.client.map(text),
            upstream: line.upstream_address().map(text),
            file: line.path().map(text),
            subrequest: line.subrequest.map(text),
            rule: line.rule().map(text),
            words: words::of(line),
        })
    }
}

/// What is watched of an nginx, which decides what can be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a source of its own that can be there without the others"
)]
pub struct Sources {
    /// Its requests are followed in the kernel.
    pub requests: bool,
    /// Its messages are seen where they are made, errors among them.
    pub messages: bool,
    /// An access log is read.
    pub access_log: bool,
    /// And it has the statuses of upstreams.
    pub upstream_status: bool,
    /// An error log is read to which errors are written.
    pub error_log: bool,
}

//! One line (which may hold line feeds) of the error log, read without copying.

use super::body::Body;
use super::choose::choose;
use super::class::{Class, Text};
use super::classes;
use super::level::Level;
use super::record::MAX_RECORD;
use super::rule::Seen;
use super::time::Civil;

/// What a piece of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A line of nginx's log.
    Line(Line<'a>),
    /// What nginx prints on its standard error: `nginx: [emerg] …` (angie: `angie: [emerg] …`).
    Console(Console<'a>),
    /// It begins like neither: the rest of a message with line feeds, or not nginx's.
    Continuation(&'a [u8]),
}

/// A line of the log. Text is as it stands there: nginx escapes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Local time of nginx's host, to the second.
    pub time: Civil,
    /// How bad nginx takes it to be.
    pub level: Level,
    /// The process, as it sees itself (in its own pid namespace).
    pub pid: u32,
    /// The thread.
    pub tid: u64,
    /// The number of the client's connection, or of nginx's own to an upstream.
    pub connection: Option<u64>,
    /// What it says, without what has a field of its own.
    pub message: &'a [u8],
    /// The kernel's error number, as Linux has it where the text tells which it is, and its text.
    pub errno: Option<(u32, &'a [u8])>,
    /// What nginx was doing, from the list of its own words for it.
    pub action: Option<&'a [u8]>,
    /// The client's address, as `realip` left it; `unix:` for a unix socket.
    pub client: Option<&'a [u8]>,
    /// The server's first name, often empty; before a request is read its listener.
    pub server: Option<&'a [u8]>,
    /// The request line.
    pub request: Option<&'a [u8]>,
    /// The URI of the subrequest, decoded.
    pub subrequest: Option<&'a [u8]>,
    /// Scheme, address and URI at the upstream.
    pub upstream: Option<&'a [u8]>,
    /// The `Host` header.
    pub host: Option<&'a [u8]>,
    /// The `Referer` header.
    pub referrer: Option<&'a [u8]>,
    /// What it means.
    pub class: &'static Class,
    /// It fills nginx's buffer (2,048 bytes), so its end may be missing.
    pub cut: bool,
    /// It can be read in more than one way. Where the ways differ, nothing is given.
    pub contested: bool,
}

/// A line that nginx prints on its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Console<'a> {
    /// `None` in `nginx: configuration file … test failed`.
    pub level: Option<Level>,
    /// What it says.
    pub message: &'a [u8],
    /// What it means.
    pub class: &'static Class,
}

impl<'a> Parsed<'a> {
    /// Reads a record, given without its last line feed.
    #[must_use]
    pub fn of(record: &'a [u8]) -> Self {
        Head::read(record)
            .map(|head| Self::Line(head.line(record.len())))
            .or_else(|| Console::read(record).map(Self::Console))
            .unwrap_or(Self::Continuation(record))
    }

    /// The line, if it is one.
    #[must_use]
    pub fn line(self) -> Option<Line<'a>> {
        match self {
            Self::Line(line) => Some(line),
            Self::Console(_) | Self::Continuation(_) => None,
        }
    }
}

/// What stands before a message.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    time: Civil,
    pub level: Level,
    pid: u32,
    tid: u64,
    pub connection: Option<u64>,
    pub rest: &'a [u8],
}

impl<'a> Head<'a> {
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let time = Civil::parse(text)?;
        let rest = text.get(Civil::LENGTH..)?.strip_prefix(b" [")?;
        let close = memchr::memchr(b']', rest.get(..rest.len().min(8))?)?;
        let level = Level::of(rest.get(..close)?)?;
        let (pid, rest) = number(rest.get(close..)?.strip_prefix(b"] ")?)?;
        let (tid, rest) = number(rest.strip_prefix(b"#")?)?;
        let rest = rest.strip_prefix(b": ")?;
        let numbered = rest
            .strip_prefix(b"*")
            .and_then(number)
            .and_then(|(connection, rest)| Some((connection, rest.strip_prefix(b" ")?)));
        Some(Self {
            time,
            level,
            pid: u32::try_from(pid).ok()?,
            tid,
            connection: numbered.map(|(connection, _)| connection),
            rest: numbered.map_or(rest, |(_, rest)| rest),
        })
    }

    pub fn text(&self) -> Text {
        classes::text_of(self.level, self.connection.is_some(), self.rest)
    }

    fn line(self, length: usize) -> Line<'a> {
        let cut = length + 1 >= MAX_RECORD;
        let text = self.text();
        let chosen = choose(self.rest, text, cut);
        let fields = chosen.context.unwrap_or_default();
        let mut body = Body::read(
            self.rest.get(..chosen.end).unwrap_or_default(),
            chosen.found,
        );
        if chosen.errno_contested {
            body.errno = None;
        }
        let (class, rule) = classes::find(&Seen {
            level: self.level,
            message: body.message,
            errno: body.errno.map(|(number, _)| number),
            action: body.action,
            phase: body.phase,
            request: fields.request,
            connected: self.connection.is_some(),
            fields: chosen.found,
            unheard: false,
        });
        if rule.code {
            body.errno = None;
            body.message = body.with_errno;
        }
        Line {
            time: self.time,
            level: self.level,
            pid: self.pid,
            tid: self.tid,
            connection: self.connection,
            message: body.message,
            errno: body.errno,
            action: body.action,
            client: chosen.context.map(|fields| fields.client),
            server: fields.server,
            request: fields.request,
            subrequest: fields.subrequest,
            upstream: fields.upstream,
            host: fields.host,
            referrer: fields.referrer,
            class,
            cut,
            contested: chosen.contested,
        }
    }
}

/// What nginx and its kin call themselves on their standard error.
const NAMES: [&[u8]; 2] = [b"nginx: ", b"angie: "];

impl<'a> Console<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let rest = NAMES.iter().find_map(|name| text.strip_prefix(*name))?;
        let levelled = rest.strip_prefix(b"[").and_then(|rest| {
            let close = memchr::memchr(b']', rest.get(..rest.len().min(8))?)?;
            let level = Level::of(rest.get(..close)?)?;
            Some((level, rest.get(close..)?.strip_prefix(b"] ")?))
        });
        let message = levelled.map_or(rest, |(_, message)| message);
        let body = Body::read(message, false);
        let (class, _) = classes::find(&Seen {
            level: levelled.map_or(Level::Notice, |(level, _)| level),
            message: body.message,
            errno: body.errno.map(|(number, _)| number),
            action: None,
            phase: None,
            request: None,
            connected: false,
            fields: false,
            unheard: false,
        });
        Some(Self {
            level: levelled.map(|(level, _)| level),
            message,
            class,
        })
    }
}

/// A number of at most 19 digits at the start of `text`, and what follows it.
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text
        .iter()
        .take(20)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, rest) = text.split_at_checked(length)?;
    if !(1..=19).contains(&length) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some((value, rest))
}

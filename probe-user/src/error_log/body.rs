//! A message, its errno, and what nginx was doing.

use std::sync::LazyLock;

use memchr::memmem::FinderRev;

use super::line::number;

/// The kernel's error number and its text.
pub(super) type Errno<'a> = (u32, &'a [u8]);

/// What stands before the fields.
pub(super) struct Body<'a> {
    pub message: &'a [u8],
    /// The same, with ` (number: text)`.
    pub with_errno: &'a [u8],
    pub errno: Option<Errno<'a>>,
    pub action: Option<&'a [u8]>,
}

impl<'a> Body<'a> {
    /// Only with fields behind it is it sure that an action is whole.
    pub fn read(text: &'a [u8], fields: bool) -> Self {
        let text = without_lua_context(text);
        let split = WHILE.rfind(text).and_then(|at| {
            let action = text.get(at + b" while ".len()..)?;
            let known = (fields && ACTIONS.contains(&action))
                || ALONE.iter().any(|start| action.starts_with(start));
            known.then_some((text.get(..at)?, action))
        });
        let (with_errno, action) = split.map_or((text, None), |(text, act)| (text, Some(act)));
        let (message, errno) =
            split_errno(with_errno).map_or((with_errno, None), |(text, errno)| (text, Some(errno)));
        Self {
            message,
            with_errno,
            errno,
            action,
        }
    }
}

static WHILE: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b" while "));
static CONTEXT: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b", context: "));
static PARENTHESIS: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b" ("));

/// Every action of nginx's (`log->action` in its sources) that stands before fields.
const ACTIONS: [&[u8]; 29] = [
    b"reading client request line",
    b"reading client pipelined request line",
    b"reading client request headers",
    b"waiting for request",
    b"processing HTTP/2 connection",
    b"processing pushed request headers",
    b"reading PROXY protocol",
    b"SSL handshaking",
    b"SSL handshaking to upstream",
    b"connecting to upstream",
    b"sending request to upstream",
    b"reading response header from upstream",
    b"reading upstream",
    b"sending to client",
    b"sending response to client",
    b"sending flv to client",
    b"sending mp4 to client",
    b"proxying upgraded connection",
    b"logging request",
    b"closing request",
    b"closing connection",
    b"keepalive",
    b"initializing session",
    b"prereading client data",
    b"proxying connection",
    b"proxying and reading from upstream",
    b"proxying and sending to upstream",
    b"sending PROXY protocol header to upstream",
    b"handling QUIC connection",
];

/// Actions of lines that have no fields.
const ALONE: [&[u8]; 3] = [
    b"accepting new connection on ",
    b"resolving",
    b"requesting certificate status",
];

/// The Lua module says at the end of a message in which phase it was.
fn without_lua_context(text: &[u8]) -> &[u8] {
    // Its phases have short names, so only the end is looked at.
    let window = text.len().saturating_sub(64);
    text.get(window..)
        .and_then(|end| CONTEXT.rfind(end))
        .and_then(|at| text.get(..window + at))
        .unwrap_or(text)
}

/// Splits `text (number: text)`, as `ngx_log_errno` writes it.
fn split_errno(text: &[u8]) -> Option<(&[u8], Errno<'_>)> {
    let inner = text.strip_suffix(b")")?;
    let window = inner.len().saturating_sub(128);
    let open = window + PARENTHESIS.rfind(inner.get(window..)?)?;
    let (errno, rest) = number(inner.get(open + 2..)?)?;
    let words = rest.strip_prefix(b": ")?;
    Some((text.get(..open)?, (u32::try_from(errno).ok()?, words)))
}

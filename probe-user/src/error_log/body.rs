//! A message, its errno, and what nginx was doing.

use std::sync::LazyLock;

use memchr::memmem::FinderRev;

use super::errno::of_linux;
use super::line::number;

/// The kernel's error number, as Linux has it, and its text.
pub(super) type Errno<'a> = (u32, &'a [u8]);

/// What stands before the fields.
pub(super) struct Body<'a> {
    pub message: &'a [u8],
    /// The same, with ` (number: text)`.
    pub with_errno: &'a [u8],
    pub errno: Option<Errno<'a>>,
    pub action: Option<&'a [u8]>,
    /// The phase in which Lua code wrote it.
    pub phase: Option<&'a [u8]>,
}

impl<'a> Body<'a> {
    /// Only with fields behind it is it sure that an action is whole.
    pub fn read(text: &'a [u8], fields: bool) -> Self {
        let (text, phase) = split_phase(text);
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
            phase,
        }
    }
}

static WHILE: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b" while "));
static CONTEXT: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b", context: "));
static PARENTHESIS: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b" ("));

/// Every action of nginx's (`log->action` in its sources) that stands before fields.
const ACTIONS: [&[u8]; 72] = [
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
    b"reading client request",
    b"returning text",
    b"passing connection to port",
    // ngx_http_proxy_connect_module
    b"connecting to upstream(proxy_connect)",
    b"sending to upstream(proxy_connect)",
    b"reading upstream(proxy_connect)",
    b"proxying CONNECT",
    // HTTP/3
    b"processing HTTP/3 connection",
    b"creating quic connection",
    b"handling quic input",
    b"handling quic packet",
    b"handling decrypted packet",
    b"handling initial packet",
    b"handling payload",
    b"handling frames",
    b"parsing quic packet",
    b"parsing quic long header",
    b"parsing frames",
    b"decrypting packet",
    b"sending frames",
    b"preparing ack",
    b"updating keys",
    // Lua
    b"loading SSL certificate by lua",
    b"loading SSL client hello by lua",
    b"fetching SSL session by lua",
    b"storing SSL session by lua",
    // The mail modules
    b"in auth state",
    b"in http auth state",
    b"in starttls state",
    b"in delay pipelining state",
    b"in resolving client address",
    b"in resolving client hostname",
    b"proxying",
    b"sending client greeting line",
    b"sending user name to upstream",
    b"sending password to upstream",
    b"sending AUTH to upstream",
    b"sending HELO/EHLO to upstream",
    b"sending XCLIENT to upstream",
    b"sending MAIL FROM to upstream",
    b"sending RCPT TO to upstream",
    b"sending LOGIN command to upstream",
    b"reading response from upstream",
];

/// Actions of lines that have no fields.
const ALONE: [&[u8]; 4] = [
    b"accepting new connection on ",
    b"resolving",
    b"requesting certificate status",
    b"logging to syslog",
];

/// Splits off the phase that the Lua module names at the end of a message.
fn split_phase(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    // Its phases have short names, so only the end is looked at.
    let window = text.len().saturating_sub(64);
    text.get(window..)
        .and_then(|end| CONTEXT.rfind(end))
        .and_then(|at| {
            let (text, phase) = text.split_at_checked(window + at)?;
            Some((text, phase.get(b", context: ".len()..)))
        })
        .unwrap_or((text, None))
}

/// Splits `text (number: text)`, as `ngx_log_errno` writes it.
fn split_errno(text: &[u8]) -> Option<(&[u8], Errno<'_>)> {
    let inner = text.strip_suffix(b")")?;
    let window = inner.len().saturating_sub(128);
    let open = window + PARENTHESIS.rfind(inner.get(window..)?)?;
    let (errno, rest) = number(inner.get(open + 2..)?)?;
    let words = rest.strip_prefix(b": ")?;
    let errno = of_linux(u32::try_from(errno).ok()?, words);
    Some((text.get(..open)?, (errno, words)))
}

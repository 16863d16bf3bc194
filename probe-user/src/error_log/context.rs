//! The fields at a line's end: `, client: … , server: …` and what follows
//! (`ngx_http_log_error`, `ngx_http_log_error_handler`, `ngx_stream_log_error`,
//! `ngx_mail_log_error`).

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

/// The fields of one reading of a line's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Context<'a> {
    /// Where the message ends: the place of the comma.
    pub at: usize,
    pub client: &'a [u8],
    pub server: Option<&'a [u8]>,
    pub request: Option<&'a [u8]>,
    pub subrequest: Option<&'a [u8]>,
    pub upstream: Option<&'a [u8]>,
    pub host: Option<&'a [u8]>,
    pub referrer: Option<&'a [u8]>,
    /// Every quote is closed, and nothing is left over.
    pub whole: bool,
    /// A field holds what looks like other fields.
    pub crowded: bool,
}

/// Every place in `text` where the fields may begin, from the left; at most 16.
pub(super) fn places(text: &[u8]) -> impl Iterator<Item = usize> {
    static CLIENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"client: "));
    CLIENT.find_iter(text).take(16).filter_map(|found| {
        let before = text.get(..found)?;
        let before = before.strip_suffix(b"udp ").unwrap_or(before);
        before.strip_suffix(b", ").map(<[u8]>::len)
    })
}

/// Reads the fields that begin at `at`; `None` when what stands there is no client's address.
/// `raw_request` says that the request may hold anything, because nginx could not read it; then
/// nothing follows it.
pub(super) fn read(text: &[u8], at: usize, raw_request: bool) -> Option<Context<'_>> {
    let mut rest = text.get(at..)?.strip_prefix(b", ")?;
    rest = rest.strip_prefix(b"udp ").unwrap_or(rest);
    rest = rest.strip_prefix(b"client: ")?;
    let mut context = Context {
        at,
        client: until_comma(rest),
        ..Context::default()
    };
    rest = rest.get(context.client.len()..)?;
    if !is_address(context.client) {
        return None;
    }
    let Some(after) = rest.strip_prefix(b", server: ") else {
        // Cut short; without what follows it the address itself may be.
        return (!rest.is_empty() && b", server: ".starts_with(rest)).then_some(context);
    };
    let server = until_comma(after);
    context.server = Some(server);
    rest = after.get(server.len()..)?;
    if raw_request && let Some(after) = rest.strip_prefix(b", request: \"") {
        context.whole = after.ends_with(b"\"");
        context.request = Some(after.strip_suffix(b"\"").unwrap_or(after));
        return Some(context);
    }
    quoted_fields(rest, &mut context);
    Some(context)
}

/// The names of the quoted fields, in nginx's order.
const NAMES: [&[u8]; 5] = [
    b", request: \"",
    b", subrequest: \"",
    b", upstream: \"",
    b", host: \"",
    b", referrer: \"",
];

/// What some write behind the fields: the stream module counts bytes, the mail module names the
/// login, Kong's nginx the request, and others the upstream's connection.
const MORE: [&[u8]; 5] = [
    b", bytes from/to ",
    REQUEST_ID,
    b", upstream_connection: \"",
    b", login: \"",
    b", upstream: ",
];

const REQUEST_ID: &[u8] = b", request_id: \"";

fn quoted_fields<'a>(mut rest: &'a [u8], context: &mut Context<'a>) {
    for (index, name) in NAMES.iter().enumerate() {
        let Some(after) = rest.strip_prefix(*name) else {
            continue;
        };
        let later = NAMES.get(index + 1..).unwrap_or_default();
        let (value, left) = quoted(after, later);
        rest = left.unwrap_or_default();
        let field = match index {
            0 => &mut context.request,
            1 => &mut context.subrequest,
            2 => &mut context.upstream,
            3 => &mut context.host,
            _ => &mut context.referrer,
        };
        *field = Some(value);
        if left.is_none() {
            return;
        }
    }
    context.crowded = context.referrer.is_some_and(holds_fields);
    // Neither holds a space, unless a configuration or an nginx before 1.21.1 lets it.
    let spaced = [context.upstream, context.host]
        .into_iter()
        .flatten()
        .any(|value| memchr::memchr(b' ', value).is_some());
    let quoted_server = context
        .server
        .is_some_and(|server| memchr::memchr2(b'"', b'\n', server).is_some());
    context.whole = !quoted_server
        && !spaced
        && (rest.is_empty()
            || rest.starts_with(b" while ")
            || MORE.iter().any(|start| rest.starts_with(start)));
}

/// A value up to the first quote that ends the line or is followed by a later field; the rest is
/// `None` when there is no such quote. The last field, which a client chooses freely, goes on to
/// the last quote.
fn quoted<'a>(text: &'a [u8], later: &[&[u8]]) -> (&'a [u8], Option<&'a [u8]>) {
    if later.is_empty() {
        let (text, id) = split_id(text);
        return match text.strip_suffix(b"\"") {
            Some(value) => (value, Some(id)),
            None => (text, None),
        };
    }
    for quote in memchr::memchr_iter(b'"', text) {
        let (Some(value), Some(after)) = (text.get(..quote), text.get(quote + 1..)) else {
            break;
        };
        let ends = after.is_empty()
            || after.starts_with(b", ")
                && later
                    .iter()
                    .chain(&MORE)
                    .any(|name| after.starts_with(name));
        if ends {
            return (value, Some(after));
        }
    }
    (text, None)
}

/// Splits off a request's number at the end of a line.
fn split_id(text: &[u8]) -> (&[u8], &[u8]) {
    let id = text
        .iter()
        .rev()
        .skip(1)
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    text.len()
        .checked_sub(REQUEST_ID.len() + id + 1)
        .and_then(|at| text.split_at_checked(at))
        .filter(|(_, end)| end.starts_with(REQUEST_ID) && end.ends_with(b"\""))
        .unwrap_or((text, b""))
}

fn holds_fields(value: &[u8]) -> bool {
    memchr::memchr(b'"', value).is_some()
        && NAMES.iter().any(|name| memmem::find(value, name).is_some())
}

/// Up to `, `, or all of it.
fn until_comma(text: &[u8]) -> &[u8] {
    let end = memchr::memchr_iter(b',', text)
        .find(|comma| matches!(text.get(comma + 1), None | Some(b' ')))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// An address as nginx writes one: an IP address, with a port in the stream module, or `unix:`.
fn is_address(text: &[u8]) -> bool {
    let known = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'[' | b']');
    text == b"unix:" || (!text.is_empty() && text.len() <= 64 && text.iter().all(known))
}

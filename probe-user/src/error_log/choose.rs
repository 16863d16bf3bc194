//! Where a message ends and its fields begin, when someone may have forged either.

use super::body::Body;
use super::class::Text;
use super::context::{self, Context, places};

/// Where a message ends, and its fields.
pub(super) struct Chosen<'a> {
    pub end: usize,
    pub context: Option<Context<'a>>,
    /// Fields stand there, whether they could be trusted or not.
    pub found: bool,
    pub contested: bool,
    pub errno_contested: bool,
}

/// Decides where the message in `text`, which is a line without its head, ends.
/// In a line that is `cut`, the true fields may be missing.
pub(super) fn choose(text: &[u8], kind: Text, cut: bool) -> Chosen<'_> {
    let mut chosen = Chosen {
        end: text.len(),
        context: None,
        found: false,
        contested: false,
        errno_contested: false,
    };
    if kind == Text::Alone {
        return chosen;
    }
    let mut errno = None;
    for at in places(text) {
        let body = text.get(..at).unwrap_or_default();
        let Some(context) = context::read(text, at, body.ends_with(READING_REQUEST_LINE)) else {
            continue;
        };
        if kind == Text::Own {
            // Only nginx's own words stand before it.
            chosen.end = at;
            chosen.found = true;
            chosen.contested = context.crowded;
            chosen.context = Some(context);
            return chosen;
        }
        if cut || !context.whole || !ends_well(body, kind) || context.referrer.is_some_and(has_feed)
        {
            continue;
        }
        let number = Body::read(body, true).errno.map(|(number, _)| number);
        if chosen.found {
            chosen.contested = true;
            chosen.errno_contested |= errno != number;
            chosen.context = chosen.context.and_then(|first| common(first, context));
        } else {
            chosen.end = at;
            chosen.found = true;
            chosen.contested = context.crowded;
            chosen.context = Some(context);
            errno = number;
        }
    }
    if !chosen.found
        && let Some(at) = places(text).next()
    {
        // The true end may be cut off: what is there may be the forged one.
        chosen.end = at;
        chosen.contested = true;
        chosen.found = true;
    }
    chosen
}

/// A request in this state was never understood, so it may hold anything.
const READING_REQUEST_LINE: &[u8] = b" while reading client request line";

/// Whether foreign text may end so, by what nginx puts behind it.
pub(super) fn ends_well(body: &[u8], kind: Text) -> bool {
    let body = Body::read(body, true);
    match kind {
        Text::BeforeErrno => body.errno.is_some(),
        Text::Quoted => body.message.ends_with(b"\"") || body.message.ends_with(b"..."),
        Text::Own | Text::Foreign | Text::Alone => true,
    }
}

/// A header's value holds no line feed: what seems one belongs to the message.
fn has_feed(value: &[u8]) -> bool {
    memchr::memchr3(b'\n', b'\r', 0, value).is_some()
}

/// What two readings agree on; `None` when they do not on the client.
fn common<'a>(one: Context<'a>, other: Context<'a>) -> Option<Context<'a>> {
    let same = |a: Option<&'a [u8]>, b: Option<&'a [u8]>| a.filter(|_| a == b);
    (one.client == other.client).then(|| Context {
        server: same(one.server, other.server),
        request: same(one.request, other.request),
        subrequest: same(one.subrequest, other.subrequest),
        upstream: same(one.upstream, other.upstream),
        host: same(one.host, other.host),
        referrer: same(one.referrer, other.referrer),
        ..one
    })
}

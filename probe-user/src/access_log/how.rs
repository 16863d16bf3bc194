//! How a response failed, as far as its line in the access log proves it.
//!
//! What nginx writes was looked at in 1.22.1: a 502 or 504 of nginx's own stands in
//! `$upstream_status` too, so only `$upstream_header_time` (`-` without an answer) and
//! `$upstream_connect_time` (`-` without a connection) tell it from one that the upstream sent.

use serde::{Deserialize, Serialize};

use super::{Entry, Escape, Field};
use crate::correlator::Cause;

/// Elements of an `$upstream_…` list that are looked at; nginx tries an upstream far less often.
const MOST_ATTEMPTS: usize = 64;

/// The way to a failed response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The upstream answered so.
    Upstream,
    /// The upstream answered otherwise, and nginx put this status in its place.
    Intercepted,
    /// The upstream failed, and the client was sent a status below 500.
    Masked,
    /// No connection to the upstream.
    NoConnection,
    /// The upstream was too slow.
    TimedOut,
    /// The upstream closed, reset, or answered nonsense.
    Closed,
    /// The upstream gave no answer: not connected or closed, the format does not tell.
    NoAnswer,
    /// A 502 or 504 of the upstream, or nginx's own about the upstream: the format does not tell.
    UpstreamOrNginx,
    /// On the way to an upstream, before a connection was tried.
    Exhausted,
    /// No upstream had a part in it.
    Nginx,
    /// nginx failed by itself after an upstream's good answer, which nothing replaces.
    AfterAnswer,
    /// The answer came out of nginx's cache.
    Cached,
    /// The format does not hold `$upstream_status`, or an equivalent.
    Untold,
}

impl How {
    /// The cause, where the line alone proves one.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::Upstream | Self::Cached => Cause::UpstreamResponse,
            Self::Intercepted => Cause::UpstreamIntercepted,
            Self::Masked => Cause::UpstreamMasked,
            Self::NoConnection => Cause::UpstreamRefused,
            Self::TimedOut => Cause::UpstreamTimeout,
            Self::Closed => Cause::UpstreamClosed,
            Self::NoAnswer
            | Self::UpstreamOrNginx
            | Self::Exhausted
            | Self::Nginx
            | Self::AfterAnswer
            | Self::Untold => Cause::Unknown,
        }
    }

    /// For a person.
    #[must_use]
    pub const fn means(self) -> &'static str {
        match self {
            Self::Upstream => "the upstream answered so",
            Self::Intercepted => "nginx put it in place of an upstream's other answer",
            Self::Masked => "the upstream failed, the client was sent this instead",
            Self::NoConnection => "no connection to the upstream",
            Self::TimedOut => "the upstream was too slow",
            Self::Closed => "the upstream closed, reset, or answered nonsense",
            Self::NoAnswer => "the upstream gave no answer; why is not in this format",
            Self::UpstreamOrNginx => {
                "the upstream's, or nginx's about it; which is not in this format"
            }
            Self::Exhausted => "nginx ran out of something on the way to an upstream",
            Self::Nginx => "nginx itself, no upstream had a part in it",
            Self::AfterAnswer => "nginx itself, after an upstream had answered well",
            Self::Cached => "out of the cache: the upstream had answered so before",
            Self::Untold => "this format does not tell",
        }
    }
}

/// How a response with `status`, 500 or above, failed.
#[must_use]
pub fn failed(entry: &Entry<'_>, status: u16, escape: Escape) -> How {
    if is_cached(entry) {
        return How::Cached;
    }
    if entry.get(Field::UpstreamStatus).is_none() {
        return without_status(entry, escape);
    }
    let (mut last, mut same, mut number) = (None, None, None);
    for (at, attempt) in entry.upstream_status().take(MOST_ATTEMPTS).enumerate() {
        last = Some(attempt.value);
        if let Some(upstream) = attempt.status() {
            number = Some(upstream);
            if upstream == status {
                same = Some(at);
            }
        }
    }
    let Some(number) = number else {
        return nothing_sent(entry, escape);
    };
    if last == Some(b"-") && used_time(entry) == Some(true) {
        return How::Exhausted;
    }
    match same {
        // `502 : 200`: an `error_page` asked another upstream and kept the status.
        Some(at) if number == status || redirected_after(entry, at) => answered(entry, status, at),
        _ if number < FIRST_REPLACED => How::AfterAnswer,
        _ => How::Intercepted,
    }
}

/// Statuses below are never replaced (`ngx_http_upstream_intercept_errors`).
const FIRST_REPLACED: u16 = 300;

/// Whether the answer was in the cache (`ngx_http_upstream_cache_status`), asked for again or not.
fn is_cached(entry: &Entry<'_>) -> bool {
    let status = entry.get(Field::UpstreamCacheStatus);
    matches!(
        status,
        Some(b"HIT" | b"STALE" | b"UPDATING" | b"REVALIDATED")
    )
}

/// The kind of a status that both the client and the attempt at `at` had.
fn answered(entry: &Entry<'_>, status: u16, at: usize) -> How {
    if !matches!(status, 502 | 504) {
        return How::Upstream;
    }
    let seen = |field| {
        entry.get(field)?;
        let attempt = entry.attempts(field).nth(at)?;
        Some(attempt.micros().is_some())
    };
    let (connected, header) = (
        seen(Field::UpstreamConnectTime),
        seen(Field::UpstreamHeaderTime),
    );
    match (connected, header) {
        (_, Some(true)) => How::Upstream,
        (_, Some(false)) | (Some(false), _) if status == 504 => How::TimedOut,
        (Some(false), _) => How::NoConnection,
        (Some(true), Some(false)) => How::Closed,
        (None, Some(false)) => How::NoAnswer,
        (_, None) => How::UpstreamOrNginx,
    }
}

fn redirected_after(entry: &Entry<'_>, at: usize) -> bool {
    let next = entry.upstream_status().nth(at + 1);
    next.is_some_and(|next| next.redirected)
}

/// No attempt has a status.
fn nothing_sent(entry: &Entry<'_>, escape: Escape) -> How {
    let tried = used_time(entry).or_else(|| {
        // A missing list is `-` in one mode and empty in the other; one that was begun is not.
        let status = entry.get(Field::UpstreamStatus)?;
        match escape {
            Escape::Default => entry.get(Field::UpstreamAddr).map(<[u8]>::is_empty),
            Escape::Json | Escape::None => Some(!status.is_empty()),
        }
    });
    match tried {
        Some(true) => How::Exhausted,
        _ => How::Nginx,
    }
}

/// Whether the last attempt took time; none when the format does not tell.
fn used_time(entry: &Entry<'_>) -> Option<bool> {
    entry.get(Field::UpstreamResponseTime)?;
    let last = entry.upstream_response_time().take(MOST_ATTEMPTS).last();
    Some(last.is_some_and(|last| last.micros().is_some()))
}

/// Other variables prove at least that no upstream was there.
fn without_status(entry: &Entry<'_>, escape: Escape) -> How {
    let missing: &[u8] = match escape {
        Escape::Default => b"-",
        Escape::Json | Escape::None => b"",
    };
    if escape == Escape::Default && entry.get(Field::UpstreamAddr) == Some(b"") {
        return How::Exhausted;
    }
    // An empty address means nothing when a missing one is empty too.
    let addr = Field::UpstreamAddr;
    let fields = [Field::UpstreamResponseTime, addr];
    let sure = |field: &Field| escape == Escape::Default || *field != addr;
    let own = fields.iter().filter(|field| sure(field));
    if own
        .into_iter()
        .any(|field| entry.get(*field) == Some(missing))
    {
        return How::Nginx;
    }
    How::Untold
}

/// What an upstream's failure came to when the client was sent a status below 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// There was none.
    Nothing,
    /// Another try at the upstream succeeded.
    Saved,
    /// The client was sent something else: [`How::Masked`].
    Masked,
}

/// Whether `$upstream_status` of a response below 500 hides a failure.
#[must_use]
#[inline]
pub fn hidden(entry: &Entry<'_>, status: u16) -> Hidden {
    match entry.get(Field::UpstreamStatus) {
        Some([b'1'..=b'4', _, _] | [b'-'] | []) | None => Hidden::Nothing,
        Some(_) => hidden_in_list(entry, status),
    }
}

#[cold]
fn hidden_in_list(entry: &Entry<'_>, status: u16) -> Hidden {
    let mut found = Hidden::Nothing;
    let mut attempts = entry.upstream_status().take(MOST_ATTEMPTS).peekable();
    while let Some(attempt) = attempts.next() {
        if attempt.status().is_none_or(|status| status < 500) {
            continue;
        }
        let another_try = attempts.peek().is_some_and(|next| !next.redirected);
        if another_try || status == CLIENT_LEFT {
            if found == Hidden::Nothing && status != CLIENT_LEFT {
                found = Hidden::Saved;
            }
        } else {
            found = Hidden::Masked;
        }
    }
    found
}

/// nginx's own status for a client that did not wait: it was sent nothing.
const CLIENT_LEFT: u16 = 499;

#[cfg(test)]
mod tests;

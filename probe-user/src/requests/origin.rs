//! Whose answer it was.

use super::{Attempt, End};

/// Where a client's answer came from, as far as system calls tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The last upstream's own status was passed on.
    Upstream,
    /// The last upstream answered with another status, which nginx replaced by a failure.
    Intercepted,
    /// The last upstream failed, and the client was sent something better.
    Masked,
    /// An upstream failed, and another one saved the request: nothing failed.
    Saved,
    /// nginx made the answer because the last upstream could not be reached.
    Refused,
    /// The same, because it took too long.
    TimedOut,
    /// The same, because it closed the connection or sent no valid answer.
    Closed,
    /// nginx made the answer without any upstream.
    Own,
    /// An upstream failed, and what the client was sent could not be read.
    Unseen,
}

/// The first of nginx's answers that are failures.
const SERVER_ERROR: u16 = 500;
const GATEWAY_TIMEOUT: u16 = 504;

/// Statuses below are never replaced (`ngx_http_upstream_intercept_errors`).
const FIRST_REPLACED: u16 = 300;
const BAD_GATEWAY: u16 = 502;

/// Whose a failure is after an upstream's good status: the rest of its answer was not usable, or it
/// sent nginx elsewhere.
const fn of_unusable(status: u16) -> Origin {
    match status {
        BAD_GATEWAY => Origin::Closed,
        GATEWAY_TIMEOUT => Origin::TimedOut,
        _ => Origin::Intercepted,
    }
}

/// Whose an answer with `status` was, after these attempts.
pub(super) fn of(status: Option<u16>, attempts: &[Attempt]) -> Origin {
    let Some(last) = attempts.last() else {
        return Origin::Own;
    };
    let Some(status) = status else {
        return Origin::Unseen;
    };
    if let Some(last) = last.status() {
        if status >= SERVER_ERROR && last < FIRST_REPLACED {
            return of_unusable(status);
        }
        return match (status >= SERVER_ERROR, last >= SERVER_ERROR) {
            _ if last == status && status >= SERVER_ERROR => Origin::Upstream,
            (true, _) => Origin::Intercepted,
            (false, true) => Origin::Masked,
            (false, false) => Origin::Saved,
        };
    }
    if status < SERVER_ERROR {
        return Origin::Masked;
    }
    match last {
        Attempt::Ended(End::Error("ETIMEDOUT")) => Origin::TimedOut,
        Attempt::Ended(End::Error("ECONNRESET" | "EPIPE") | End::Closed | End::Invalid) => {
            Origin::Closed
        }
        Attempt::Ended(End::Error(_)) => Origin::Refused,
        _ if status == GATEWAY_TIMEOUT => Origin::TimedOut,
        Attempt::Ended(End::GaveUpConnecting) => Origin::Refused,
        // Whatever nginx gave up for, it was not the upstream.
        _ => Origin::Own,
    }
}

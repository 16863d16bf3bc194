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
    /// nginx made the answer without any upstream, or after one had answered well.
    Own,
    /// An upstream was asked whose answers cannot be read: it may be that one's, or nginx's.
    Unread,
    /// An upstream failed, and what the client was sent could not be read.
    Unseen,
}

/// The first of the statuses that are failures.
const SERVER_ERROR: u16 = 500;
const BAD_GATEWAY: u16 = 502;
const GATEWAY_TIMEOUT: u16 = 504;

/// Statuses below are never replaced (`ngx_http_upstream_intercept_errors`).
const FIRST_REPLACED: u16 = 300;

/// Whose an answer with `status` was, after these attempts. `made` is the code of the error answer
/// that nginx itself began on the way.
pub(super) fn of(status: Option<u16>, made: Option<u16>, attempts: &[Attempt]) -> Origin {
    let Some(last) = attempts.last() else {
        return Origin::Own;
    };
    match status {
        None => Origin::Unseen,
        Some(status) if status < SERVER_ERROR => of_better(status, made, attempts),
        Some(status) => of_failure(status, *last, attempts),
    }
}

/// Whose an answer was that made something better of the attempts' failures, if any failed.
fn of_better(status: u16, made: Option<u16>, attempts: &[Attempt]) -> Origin {
    let passed_on = |attempt: &Attempt| attempt.status() == Some(status);
    let good = |attempt: &Attempt| !attempt.failed();
    // An error page stands for what nginx had begun. A part of an answer that failed makes it begin
    // none.
    let replaced = made.is_some_and(|made| made >= SERVER_ERROR);
    let failed = attempts.iter().any(|attempt| attempt.failed());
    let saved = attempts.last().is_some_and(good) || attempts.iter().any(passed_on);
    if failed && (replaced || !saved) {
        Origin::Masked
    } else {
        Origin::Saved
    }
}

/// Whose a failure was. The last attempt is the one that was answered with, unless the status says
/// otherwise: those of subrequests, which an answer waits for or not, are among them.
fn of_failure(status: u16, last: Attempt, attempts: &[Attempt]) -> Origin {
    if let Some(last) = last.status() {
        return match last {
            _ if last == status => Origin::Upstream,
            // Nothing replaces a good answer.
            _ if last < FIRST_REPLACED => Origin::Own,
            _ => Origin::Intercepted,
        };
    }
    let of_connection = matches!(status, BAD_GATEWAY | GATEWAY_TIMEOUT);
    if !of_connection && attempts.iter().any(|one| one.status() == Some(status)) {
        return Origin::Upstream;
    }
    match last {
        Attempt::Unread => Origin::Unread,
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

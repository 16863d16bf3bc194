//! A failed answer in words.

use super::seen;
use crate::{
    correlator::{Cause, Evidence},
    requests::{Answer, Attempt, End, Origin},
};

/// An answer, without what would make each one different.
pub(in super::super) fn of_answer(answer: &Answer, status: u16) -> Evidence {
    let upstream = answer.about(status).unwrap_or("an upstream");
    let made = answer.made == Some(status);
    let last = answer.attempts.last();
    let theirs = last.and_then(|last| last.status()).unwrap_or_default();
    let what = match answer.origin() {
        _ if answer.late => of_late(answer, status),
        _ if answer.cut => {
            let why = answer.explained().map_or("", |message| message.class.means);
            format!("closed without an answer: {why}")
        }
        Origin::Upstream => format!("HTTP {status} from {upstream} passed on"),
        Origin::Intercepted => format!("HTTP {status} in place of {upstream}'s {theirs}"),
        Origin::Masked => format!("HTTP {status} after {upstream} had failed"),
        Origin::Refused | Origin::TimedOut | Origin::Closed => {
            format!(
                "HTTP {status} after {upstream} {}",
                of_attempt(last, status)
            )
        }
        Origin::Unseen => match last.and_then(|last| last.status()) {
            Some(theirs) => {
                format!("HTTP {theirs} from {upstream}, for a client that speaks TLS or HTTP/2")
            }
            None => format!("{upstream} {}", of_attempt(last, status)),
        },
        Origin::Own | Origin::Saved => match (answer.failed, answer.explained()) {
            (Some((call, errno)), Some(message)) => {
                format!("HTTP {status}: {} ({call}: {errno})", message.class.means)
            }
            (Some((call, errno)), None) => format!("HTTP {status} after {call}: {errno}"),
            (None, Some(message)) => format!(
                "HTTP {status}: {}{}",
                message.class.means,
                of_upstream(answer)
            ),
            (None, None) if made => format!("HTTP {status} made by nginx itself"),
            (None, None) => format!("HTTP {status}, and no upstream was asked"),
        },
        Origin::Unread => match answer.explained() {
            Some(message) => format!("HTTP {status}: {}, {upstream}", message.class.means),
            None if made => format!("HTTP {status} made by nginx, after it asked {upstream}"),
            None => format!("HTTP {status} from {upstream} passed on, asked in TLS or HTTP/2"),
        },
    };
    seen("requests", what)
}

/// The upstream that answered well before a message was about it.
fn of_upstream(answer: &Answer) -> String {
    let about = answer.explained().and_then(|message| message.class.cause);
    let is_upstreams = matches!(about, Some(Cause::UpstreamClosed | Cause::UpstreamTimeout));
    let upstream = answer.upstream.as_ref().filter(|_| is_upstreams);
    upstream.map_or_else(String::new, |upstream| format!(", {upstream}"))
}

/// An answer that began well.
fn of_late(answer: &Answer, status: u16) -> String {
    let why = answer.message.as_ref();
    let why = why.map_or("something failed", |message| message.class.means);
    format!("HTTP {status} sent in part: {why}{}", of_upstream(answer))
}

/// How the last attempt went that was answered with `status`.
fn of_attempt(attempt: Option<&Attempt>, status: u16) -> String {
    const BAD_GATEWAY: u16 = 502;
    match attempt {
        Some(Attempt::Ended(End::Error(errno))) => format!("failed: {errno}"),
        Some(Attempt::Ended(End::Closed)) => "closed the connection".to_owned(),
        Some(Attempt::Ended(End::Invalid)) => "sent no valid answer".to_owned(),
        Some(Attempt::Ended(End::GaveUpConnecting)) => "could not be connected to".to_owned(),
        // A good status, before what made the answer unusable.
        Some(Attempt::Status(_)) if status == BAD_GATEWAY => "sent no valid answer".to_owned(),
        _ => "did not answer in time".to_owned(),
    }
}

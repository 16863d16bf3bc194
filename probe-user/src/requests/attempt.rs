//! What became of each upstream that was asked.

use nginx_probe_ebpf::{
    connection::{ATTEMPTS, outcome},
    record,
};
use serde::{Deserialize, Serialize};

use crate::{
    errnos,
    names::{self, Name},
};

/// One upstream that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// It answered with that status.
    Status(u16),
    /// It ended without one.
    Ended(End),
    /// Nothing had come of it when the client was answered.
    Open,
    /// It was asked in TLS, HTTP/2 or a protocol that is not known: what it answered cannot be read.
    Unread,
}

/// How an attempt ended that brought no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// A system call on its connection failed: the error's name.
    Error(#[serde(deserialize_with = "names::one")] Name),
    /// The upstream closed the connection.
    Closed,
    /// What came was no answer of the protocol.
    Invalid,
    /// nginx gave up before the connection stood.
    GaveUpConnecting,
    /// nginx gave up after it had asked.
    GaveUp,
}

impl Attempt {
    /// The status, when it brought one.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether it is known to have failed.
    #[must_use]
    pub const fn failed(self) -> bool {
        match self {
            Self::Status(status) => status >= 500,
            Self::Ended(_) => true,
            Self::Open | Self::Unread => false,
        }
    }
}

/// Those that a record has room for, and how many it has not.
pub(super) fn all(record: &record::Request) -> (Vec<Attempt>, u16) {
    let kept = usize::from(record.attempts).min(ATTEMPTS);
    let attempts = record.statuses.into_iter().zip(record.outcomes).take(kept);
    let attempts = attempts.map(|(status, end)| match (status, end) {
        (0, outcome::NONE) => Attempt::Open,
        (0, outcome::UNREAD) => Attempt::Unread,
        (0, end) => Attempt::Ended(ended(end)),
        (status, _) => Attempt::Status(status),
    });
    let left_out = usize::from(record.attempts) - kept;
    (
        attempts.collect(),
        u16::try_from(left_out).unwrap_or(u16::MAX),
    )
}

fn ended(end: u16) -> End {
    match end {
        outcome::CLOSED => End::Closed,
        outcome::INVALID => End::Invalid,
        outcome::GAVE_UP_CONNECTING => End::GaveUpConnecting,
        outcome::GAVE_UP => End::GaveUp,
        errno => End::Error(errnos::name(u32::from(errno))),
    }
}

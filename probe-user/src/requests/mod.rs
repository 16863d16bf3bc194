//! Failed answers as the kernel half saw them: whose each was, and what went wrong on the way.
//!
//! The kernel sends what it saw, in bytes that clients and upstreams chose; here they become text
//! that is bounded and printable.

mod address;
mod attempt;
mod line;
mod lost;
mod origin;

use std::time::Duration;

use nginx_probe_ebpf::{
    connection::{flag, protocol},
    record,
};
use serde::{Deserialize, Serialize};

pub use self::{
    attempt::{Attempt, End},
    line::RequestLine,
    lost::{Lost, LostRequest},
    origin::Origin,
};
use crate::{
    clock::micros,
    errnos,
    error_log::Level,
    error_path::Message,
    kernel::calls,
    names::{self, Name},
};

pub(crate) use self::address::{CUT, text as address};

/// A failed answer, or one that hides an upstream's failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that the others do not decide"
)]
pub struct Answer {
    /// The worker.
    pub pid: u32,
    /// What the client was sent; nothing when that could not be read (TLS, HTTP/2).
    pub status: Option<u16>,
    /// The upstream attempts of the request, in order. Of more than four the middle ones are left
    /// out: see `attempts_left_out`.
    pub attempts: Vec<Attempt>,
    /// Attempts that are not in `attempts`.
    pub attempts_left_out: u16,
    /// The last upstream's address, `ip:port` or `unix:path`.
    pub upstream: Option<String>,
    /// What it spoke.
    #[serde(deserialize_with = "names::optional")]
    pub protocol: Option<Name>,
    /// The request, when its beginning was seen.
    pub request: Option<RequestLine>,
    /// The client's address.
    pub client: Option<String>,
    /// The system call that failed last on the way, and the error's name.
    #[serde(deserialize_with = "names::pair")]
    pub failed: Option<(Name, Name)>,
    /// The code of the error answer that nginx itself began last, before any `error_page`.
    pub made: Option<u16>,
    /// The worst message that nginx had for its error log on the way.
    pub message: Option<Message>,
    /// The client speaks TLS or HTTP/2: `status` is `made`, and `attempts` may be of several
    /// requests.
    pub opaque: bool,
    /// From the request's first byte to the last upstream's status.
    #[serde(with = "micros::optional")]
    pub until_header: Option<Duration>,
    /// From the request's first byte to the answer's.
    #[serde(with = "micros::optional")]
    pub duration: Option<Duration>,
    /// The upstream wrote to its standard error.
    pub stderr: bool,
    /// The upstream was matched by the order of events alone.
    pub adopted: bool,
    /// The client had closed its side before.
    pub client_gone: bool,
    /// The message came after the answer's beginning: the rest may be missing.
    #[serde(default)]
    pub late: bool,
    /// nginx closed the connection while the client waited, and sent nothing.
    #[serde(default)]
    pub cut: bool,
}

impl Answer {
    /// What a record says.
    #[must_use]
    pub fn of(record: &record::Request) -> Self {
        let flags = record.flags.to_le_bytes()[0];
        let has = |bit: u8| flags & bit != 0;
        let since_start = |ns: u64| {
            let began = record.started_ns;
            (began != 0 && ns >= began).then(|| Duration::from_nanos(ns - began))
        };
        let (attempts, attempts_left_out) = attempt::all(record);
        let asked = record.attempts != 0;
        Self {
            pid: record.header.pid,
            status: (record.status != 0).then_some(record.status),
            attempts,
            attempts_left_out,
            upstream: asked.then(|| address::text(&record.upstream)).flatten(),
            protocol: asked.then(|| protocol_name(record.protocol)).flatten(),
            request: RequestLine::parse(&record.request),
            client: address::text(&record.client),
            failed: (record.failed_errno != 0).then(|| {
                let call = calls::name(u32::from(record.failed_call));
                (call, errnos::name(u32::from(record.failed_errno)))
            }),
            made: (record.made != 0).then_some(record.made),
            message: None,
            opaque: has(flag::OPAQUE),
            until_header: since_start(record.header_ns),
            duration: since_start(record.header.time_ns),
            stderr: has(flag::STDERR),
            adopted: has(flag::ADOPTED),
            client_gone: has(flag::CLIENT_GONE),
            late: record.flags & flag::LATE != 0,
            cut: record.flags & flag::CUT != 0,
        }
    }

    /// The message that tells of this very failure: nginx writes it before it begins to answer with
    /// the same status.
    #[must_use]
    pub fn explained(&self) -> Option<&Message> {
        let message = self.message.as_ref()?;
        let status = self.status.or(self.made).or(self.cut.then_some(0))?;
        let fits = if self.late || self.cut {
            message.class.cause.is_some()
        } else {
            message.class.may_give(status)
        };
        let made = self.late || self.cut || self.made.is_none_or(|made| made == status);
        (fits && made).then_some(message)
    }

    /// Whether nginx had words on the way that no class of messages knows.
    #[must_use]
    pub fn says_words(&self) -> bool {
        let message = self.message.as_ref();
        message.is_some_and(|said| said.class.says_words() && said.level <= Level::Error)
    }

    /// Whose answer it was.
    #[must_use]
    pub fn origin(&self) -> Origin {
        origin::of(self.status, self.made, &self.attempts)
    }

    /// The address of the upstream that an answer with this status is about; nothing when it is
    /// about none, or about one before the last, whose address is not kept.
    #[must_use]
    pub fn about(&self, status: u16) -> Option<&str> {
        let last = self.attempts.last()?;
        let is_last = match self.origin_of(status) {
            Origin::Own | Origin::Saved => false,
            Origin::Upstream => last.status() == Some(status) || self.opaque,
            _ => true,
        };
        self.upstream.as_deref().filter(|_| is_last)
    }

    /// The same, if it was sent with this status.
    #[must_use]
    pub fn origin_of(&self, status: u16) -> Origin {
        origin::of(Some(status), self.made, &self.attempts)
    }
}

/// Every protocol of an upstream, as in `response` records.
pub(crate) const PROTOCOLS: [&str; 6] = ["http", "fastcgi", "uwsgi", "scgi", "grpc", "https"];

/// The protocol's name as in `response` records.
fn protocol_name(number: u16) -> Option<&'static str> {
    Some(match u8::try_from(number).ok()? {
        protocol::HTTP => "http",
        protocol::FASTCGI => "fastcgi",
        protocol::UWSGI => "uwsgi",
        protocol::SCGI => "scgi",
        protocol::GRPC => "grpc",
        protocol::TLS => "https",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;

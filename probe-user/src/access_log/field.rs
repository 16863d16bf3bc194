//! The variables that a reader of logs is given, and what nginx writes for each.

use super::grammar::{Element, Grammar};

/// A variable of a log line, by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Field {
    /// `$status`
    Status,
    /// `$upstream_status`
    UpstreamStatus,
    /// `$upstream_addr`
    UpstreamAddr,
    /// `$upstream_response_time`
    UpstreamResponseTime,
    /// `$upstream_connect_time`
    UpstreamConnectTime,
    /// `$upstream_header_time`
    UpstreamHeaderTime,
    /// `$request_time`
    RequestTime,
    /// `$request`
    Request,
    /// `$request_method`
    RequestMethod,
    /// `$uri` or `$document_uri`
    Uri,
    /// `$request_uri`
    RequestUri,
    /// `$remote_addr`
    RemoteAddr,
    /// `$remote_port`
    RemotePort,
    /// `$remote_user`
    RemoteUser,
    /// `$time_local`
    TimeLocal,
    /// `$time_iso8601`
    TimeIso8601,
    /// `$msec`
    Msec,
    /// `$connection`
    Connection,
    /// `$pid`
    Pid,
    /// `$server_name`
    ServerName,
    /// `$host`
    Host,
    /// `$http_host`
    HttpHost,
    /// `$request_id`, or `$req_id` as the Kubernetes ingress controller names it
    RequestId,
    /// `$body_bytes_sent`
    BodyBytesSent,
    /// `$http_referer`
    Referer,
    /// `$http_user_agent`
    UserAgent,
    /// `$upstream_cache_status`
    UpstreamCacheStatus,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 27] = [
        Self::Status,
        Self::UpstreamStatus,
        Self::UpstreamAddr,
        Self::UpstreamResponseTime,
        Self::UpstreamConnectTime,
        Self::UpstreamHeaderTime,
        Self::RequestTime,
        Self::Request,
        Self::RequestMethod,
        Self::Uri,
        Self::RequestUri,
        Self::RemoteAddr,
        Self::RemotePort,
        Self::RemoteUser,
        Self::TimeLocal,
        Self::TimeIso8601,
        Self::Msec,
        Self::Connection,
        Self::Pid,
        Self::ServerName,
        Self::Host,
        Self::HttpHost,
        Self::RequestId,
        Self::BodyBytesSent,
        Self::Referer,
        Self::UserAgent,
        Self::UpstreamCacheStatus,
    ];

    /// The name of its variable, the first where there are two.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::UpstreamStatus => "upstream_status",
            Self::UpstreamAddr => "upstream_addr",
            Self::UpstreamResponseTime => "upstream_response_time",
            Self::UpstreamConnectTime => "upstream_connect_time",
            Self::UpstreamHeaderTime => "upstream_header_time",
            Self::RequestTime => "request_time",
            Self::Request => "request",
            Self::RequestMethod => "request_method",
            Self::Uri => "uri",
            Self::RequestUri => "request_uri",
            Self::RemoteAddr => "remote_addr",
            Self::RemotePort => "remote_port",
            Self::RemoteUser => "remote_user",
            Self::TimeLocal => "time_local",
            Self::TimeIso8601 => "time_iso8601",
            Self::Msec => "msec",
            Self::Connection => "connection",
            Self::Pid => "pid",
            Self::ServerName => "server_name",
            Self::Host => "host",
            Self::HttpHost => "http_host",
            Self::RequestId => "request_id",
            Self::BodyBytesSent => "body_bytes_sent",
            Self::Referer => "http_referer",
            Self::UserAgent => "http_user_agent",
            Self::UpstreamCacheStatus => "upstream_cache_status",
        }
    }

    /// The position of its value in an entry: below [`SLOTS`].
    pub(super) fn slot(self) -> u8 {
        self as u8
    }
}

/// Room for every field, and for one that nobody asks for.
pub(super) const SLOTS: usize = 32;

/// Where values go that nobody asks for.
pub(super) const NO_SLOT: u8 = 31;

/// Stands before the name of a variable of which only the field is known, and not how its values are
/// written. No name of nginx's holds it.
pub(super) const LOOSE: u8 = b'*';
/// The same for a time in ISO 8601.
pub(super) const OTHERS: u8 = b'~';
/// The same for what is a list of addresses or names.
pub(super) const FORWARDED: u8 = b'+';

/// The field that a variable is, if any, and what nginx writes for it.
pub(super) fn variable(name: &[u8]) -> (Option<Field>, Grammar) {
    use Field as F;
    use Grammar as G;
    match name.split_first() {
        Some((&LOOSE, name)) => return (variable(name).0, G::Text),
        Some((&OTHERS, name)) => return (variable(name).0, G::TimeOfOthers),
        Some((&FORWARDED, name)) => return (variable(name).0, G::List(Element::Forwarder)),
        _ => {}
    }
    let (field, grammar) = match name {
        // Written by the log module itself, and never missing.
        b"status" => (F::Status, G::Status),
        b"request_time" => (F::RequestTime, G::Decimal),
        b"time_local" => (F::TimeLocal, G::TimeLocal),
        b"time_iso8601" => (F::TimeIso8601, G::TimeIso8601),
        b"msec" => (F::Msec, G::Decimal),
        b"body_bytes_sent" => (F::BodyBytesSent, G::Number),
        // Variables that always have a value.
        b"remote_addr" => (F::RemoteAddr, G::Address),
        b"realip_remote_addr" => return (None, G::Address),
        b"connection" => (F::Connection, G::Number),
        b"pid" => (F::Pid, G::Number),
        b"bytes_sent" | b"request_length" | b"connection_requests" => return (None, G::Number),
        // Empty on a Unix socket, or missing.
        b"remote_port" => (F::RemotePort, G::MaybeNumber),
        b"server_port" | b"realip_remote_port" => return (None, G::MaybeNumber),
        b"request_id" => (F::RequestId, G::Hex),
        // One element for each attempt at an upstream.
        b"upstream_status" => (F::UpstreamStatus, G::List(Element::Status)),
        b"upstream_addr" => (F::UpstreamAddr, G::List(Element::Peer)),
        b"upstream_response_time" => (F::UpstreamResponseTime, G::List(Element::Decimal)),
        b"upstream_connect_time" => (F::UpstreamConnectTime, G::List(Element::Decimal)),
        b"upstream_header_time" => (F::UpstreamHeaderTime, G::List(Element::Decimal)),
        b"upstream_response_length" | b"upstream_bytes_received" | b"upstream_bytes_sent" => {
            return (None, G::List(Element::Number));
        }
        // What a client or the configuration says: any text.
        b"request" => (F::Request, G::Text),
        b"request_method" => (F::RequestMethod, G::Text),
        b"uri" | b"document_uri" => (F::Uri, G::Text),
        b"request_uri" => (F::RequestUri, G::Text),
        b"remote_user" => (F::RemoteUser, G::Text),
        b"server_name" => (F::ServerName, G::Text),
        b"host" => (F::Host, G::Text),
        b"http_host" => (F::HttpHost, G::Text),
        b"req_id" => (F::RequestId, G::Text),
        b"http_referer" => (F::Referer, G::Text),
        b"http_user_agent" => (F::UserAgent, G::Text),
        b"upstream_cache_status" => (F::UpstreamCacheStatus, G::Text),
        _ => return (None, G::Text),
    };
    (Some(field), grammar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_a_slot_of_its_own() {
        for (at, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(field.slot()), at);
        }
        assert!(Field::ALL.len() < usize::from(NO_SLOT));
    }

    #[test]
    fn each_field_has_the_name_of_its_variable() {
        for field in Field::ALL {
            assert_eq!(variable(field.variable().as_bytes()).0, Some(field));
            let loose = format!("*{}", field.variable());
            assert_eq!(variable(loose.as_bytes()), (Some(field), Grammar::Text));
        }
    }
}

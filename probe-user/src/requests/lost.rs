//! What died with a worker.

use std::time::Duration;

use nginx_probe_ebpf::connection::{Connection, phase, role};
use serde::{Deserialize, Serialize};

use super::{Answer, RequestLine, address};

/// Requests that are named one by one; the rest is counted.
const MAX_NAMED: usize = 64;

/// What a worker took with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Connections of clients.
    pub connections: u64,
    /// Requests without an answer, the oldest first, at most 64 of them.
    pub requests: Vec<LostRequest>,
    /// All of them.
    pub total: u64,
}

/// A request that died with its worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRequest {
    /// The client's address.
    pub client: Option<String>,
    /// The method, when the request could be read.
    pub method: Option<String>,
    /// The path without its query.
    pub path: Option<String>,
    /// The `Host` header, when it is among the bytes that are kept.
    pub host: Option<String>,
    /// Milliseconds since its first byte.
    pub age_ms: u64,
    /// The upstream that was asked last.
    pub upstream: Option<String>,
}

impl Lost {
    /// What a worker had open when it died, at `time_ns` since boot.
    #[must_use]
    pub fn of(mut connections: Vec<Connection>, time_ns: u64) -> Self {
        connections
            .retain(|connection| matches!(connection.role, role::CLIENT | role::OPAQUE_CLIENT));
        let count = connections.len();
        connections.retain(|connection| {
            connection.role == role::CLIENT && connection.phase == phase::ASKED
        });
        connections.sort_unstable_by_key(|connection| connection.started_ns);
        Self {
            connections: count.try_into().unwrap_or(u64::MAX),
            total: connections.len().try_into().unwrap_or(u64::MAX),
            requests: connections
                .iter()
                .take(MAX_NAMED)
                .map(|connection| request(connection, time_ns))
                .collect(),
        }
    }
}

impl Lost {
    /// With requests that were cut off before the end.
    #[must_use]
    pub fn with(mut self, cut: Vec<LostRequest>) -> Self {
        let count = u64::try_from(cut.len()).unwrap_or(u64::MAX);
        self.total += count;
        self.connections += count;
        self.requests.extend(cut);
        self.requests
            .sort_by_key(|request| std::cmp::Reverse(request.age_ms));
        self.requests.truncate(MAX_NAMED);
        self
    }
}

impl LostRequest {
    /// One of which the kernel half told that its connection was closed.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let (method, path) = (answer.request.clone())
            .map(|line| (line.method, line.path))
            .unzip();
        let age = answer.duration.unwrap_or_default();
        Self {
            client: answer.client.clone(),
            method,
            path,
            host: None,
            age_ms: age.as_millis().try_into().unwrap_or(u64::MAX),
            upstream: answer.upstream.clone(),
        }
    }
}

fn request(connection: &Connection, time_ns: u64) -> LostRequest {
    let age = time_ns.saturating_sub(connection.started_ns);
    let (method, path) = RequestLine::parse(&connection.request)
        .map(|line| (line.method, line.path))
        .unzip();
    let asked = connection.attempts != 0;
    LostRequest {
        client: address::text(&connection.client),
        method,
        path,
        host: host(&connection.request),
        age_ms: Duration::from_nanos(age)
            .as_millis()
            .try_into()
            .unwrap_or(u64::MAX),
        upstream: asked.then(|| address::text(&connection.upstream)).flatten(),
    }
}

/// The `Host` header, when all of it is there.
fn host(request: &[u8]) -> Option<String> {
    let text = request.split(|byte| *byte == 0).next()?;
    let mut lines = text.split(|byte| *byte == b'\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        let (name, value) = line.split_at_checked(5)?;
        // The last line may be cut.
        if name.eq_ignore_ascii_case(b"host:") && lines.peek().is_some() {
            return Some(value.trim_ascii().escape_ascii().to_string());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_host_is_whole_or_none() {
        let host = |text: &[u8]| host(text);
        assert_eq!(
            host(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: y").as_deref(),
            Some("a.example")
        );
        assert_eq!(host(b"GET / HTTP/1.1\r\nHost: a.exam"), None);
        assert_eq!(host(b"GET / HTTP/1.1\r\nX: y\r\n"), None);
        assert_eq!(host(b"\0Host: a\r\n\r\n"), None);
    }
}

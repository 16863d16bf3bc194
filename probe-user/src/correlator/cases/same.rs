//! Whether two sources tell of the same request.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::Case;
use crate::{
    access_log::how::How,
    facts::Logged,
    requests::{Answer, RequestLine},
};

/// Names a request: zero for one that is not known.
pub(in super::super) fn key(request: Option<&RequestLine>) -> u64 {
    let Some(request) = request else {
        return 0;
    };
    let mut hasher = DefaultHasher::new();
    (&request.method, &request.path).hash(&mut hasher);
    hasher.finish().max(1)
}

/// Names a request of one client; one that is not known is named by its worker.
pub(super) fn of_client(key: u64, client: Option<&str>, pid: Option<u32>) -> u64 {
    let mut hasher = DefaultHasher::new();
    if key == 0 {
        pid.hash(&mut hasher);
    } else {
        (key, client.map(host)).hash(&mut hasher);
    }
    hasher.finish()
}

/// An address without its port.
fn host(client: &str) -> &str {
    match client.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // One of IPv6 without a port has colons of its own.
            match host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
            {
                Some(host) => host,
                None if host.contains(':') => client,
                None => host,
            }
        }
        _ => client,
    }
}

/// Both are known and the same.
pub(super) fn same_client(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if host(one) == host(other))
}

/// Both are known and two.
pub(super) fn other_client(one: Option<&str>, other: Option<&str>) -> bool {
    one.is_some() && other.is_some() && !same_client(one, other)
}

/// Whether an upstream was asked for an answer that nobody could read. What a subrequest asks no line
/// names: that may be all where nginx failed by itself after a good answer.
pub(super) fn asks(answer: &Answer) -> Option<bool> {
    let of_part = answer.made.is_some()
        && !answer.attempts.is_empty()
        && answer.attempts.iter().all(|one| !one.failed());
    (answer.opaque && !of_part).then(|| answer.upstream.is_some())
}

/// Whether a line can be about an answer that nobody could read, of which is known whether an
/// upstream was asked.
pub(super) fn asked(upstream: Option<bool>, logged: &Logged) -> bool {
    // The format may not tell.
    logged.how == How::Untold || upstream.is_none_or(|asked| asked == logged.upstream.is_some())
}

/// How many upstreams failed on the way to an answer.
pub(super) fn attempts(answer: Option<&Answer>, logged: Option<&Logged>) -> usize {
    let failed = |status: &&Option<u16>| status.is_none_or(|status| status >= 500);
    match (answer, logged) {
        (Some(answer), _) => answer.attempts.len(),
        (None, Some(logged)) => logged.upstream_status.iter().filter(failed).count(),
        (None, None) => 0,
    }
}

/// Removes from the front what awaits no line.
pub(super) fn trim(ids: &mut VecDeque<u64>, cases: &HashMap<u64, Case>) {
    while let Some(id) = ids.front()
        && cases.get(id).is_none_or(|case| !case.unlogged)
    {
        ids.pop_front();
    }
}

/// Removes from the front what no message can be about any more.
pub(super) fn trim_noted(ids: &mut VecDeque<u64>, cases: &HashMap<u64, Case>) {
    while let Some(id) = ids.front()
        && cases.get(id).is_none_or(|case| !case.takes_notes())
    {
        ids.pop_front();
    }
}

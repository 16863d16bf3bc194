//! What a line of the journal says. Only what is asked for is kept in memory.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use super::files::Place;
use crate::clock::Time;

/// Longer names than these, in bytes, are none that an agent gives.
const MAX_NAME: usize = 256;
/// So much of a summary is kept, in characters: more than a line of a terminal has.
const MAX_SUMMARY: usize = 200;

/// What every record says.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    pub time: Time,
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub instance: Cow<'a, str>,
    #[serde(borrow, default)]
    pub host: Cow<'a, str>,
}

/// What a record of an incident says.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    state: State,
    #[serde(borrow)]
    cause: Cow<'a, str>,
    opened_at: Time,
    #[serde(default)]
    closed_at: Option<Time>,
    #[serde(borrow, default)]
    summary: Cow<'a, str>,
    #[serde(borrow, default)]
    responses: BTreeMap<Cow<'a, str>, u64>,
    #[serde(default)]
    lost_requests: Option<u64>,
    #[serde(default)]
    evidence: Vec<Piece>,
}

#[derive(Deserialize)]
struct Piece {
    time: Time,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Opened,
    Updated,
    Closed,
}

/// An incident, as one of its records has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    pub place: Place,
    /// When it was written so.
    pub time: Time,
    pub id: String,
    pub instance: String,
    pub host: String,
    pub state: State,
    pub cause: String,
    pub opened_at: Time,
    /// The last evidence.
    pub last: Time,
    pub closed_at: Option<Time>,
    /// Failed responses, of all statuses.
    pub failed: u64,
    pub lost: Option<u64>,
    pub summary: String,
}

/// Reads what every record says; none when the line is no record.
pub(super) fn head(line: &[u8]) -> Option<Head<'_>> {
    // serde does not look into text that it passes over.
    let text = std::str::from_utf8(line).ok()?;
    serde_json::from_str(text).ok()
}

/// Reads an incident's record; none when it is malformed.
pub(super) fn digest(place: Place, head: &Head<'_>, line: &[u8]) -> Option<Digest> {
    let told: Told<'_> = serde_json::from_slice(line).ok()?;
    let names = [&told.id, &told.cause, &head.instance, &head.host];
    if told.id.is_empty() || names.iter().any(|name| name.len() > MAX_NAME) {
        return None;
    }
    let sum = |sum: u64, count: &u64| sum.saturating_add(*count);
    let last = told.evidence.iter().map(|piece| piece.time).max();
    Some(Digest {
        place,
        time: head.time,
        id: told.id.into_owned(),
        instance: head.instance.clone().into_owned(),
        host: head.host.clone().into_owned(),
        state: told.state,
        cause: told.cause.into_owned(),
        opened_at: told.opened_at,
        last: last.unwrap_or(told.opened_at).max(told.opened_at),
        closed_at: told.closed_at,
        failed: told.responses.values().fold(0, sum),
        lost: told.lost_requests,
        summary: told.summary.chars().take(MAX_SUMMARY).collect(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) const PLACE: Place = Place::new(0, 0, 0);

    /// An incident's record, with these members in place of its own.
    pub(crate) fn incident(id: &str, state: &str, other: &Value) -> Value {
        let mut record = json!({
            "time": "2026-01-02T03:04:09.000000Z", "type": "incident",
            "instance": "/run/nginx.pid", "host": "web1",
            "id": id, "state": state, "cause": "worker_crash", "confidence": "confirmed",
            "complete": true, "responses": {"500": 3, "502": 4}, "lost_requests": 2,
            "opened_at": "2026-01-02T03:04:05.000000Z", "closed_at": null,
            "summary": "1 worker crashed",
            "evidence": [{"time": "2026-01-02T03:04:08.500000Z", "source": "lifecycle",
                          "what": "a worker ended by SIGSEGV", "count": 1}],
            "advice": ["look"],
        });
        if let (Some(record), Some(other)) = (record.as_object_mut(), other.as_object()) {
            record.extend(other.clone());
        }
        record
    }

    pub(crate) fn digest_of(record: &Value) -> Option<Digest> {
        let line = record.to_string();
        digest(PLACE, &head(line.as_bytes())?, line.as_bytes())
    }

    #[test]
    fn an_incident_is_read() {
        let record = incident("a-1", "updated", &json!({}));
        let digest = digest_of(&record).expect("a record");
        assert_eq!((digest.failed, digest.lost), (7, Some(2)));
        assert_eq!(digest.state, State::Updated);
        assert_eq!(digest.last.to_string(), "2026-01-02T03:04:08.500000Z");
        assert_eq!(digest.closed_at, None);
        // Later agents may say more, earlier ones less.
        let mut other = incident("a-1", "opened", &json!({"new": [1, {"deep": null}]}));
        for member in [
            "responses",
            "lost_requests",
            "evidence",
            "summary",
            "closed_at",
        ] {
            other.as_object_mut().expect("an object").remove(member);
        }
        let digest = digest_of(&other).expect("a record");
        assert_eq!(
            (digest.failed, digest.lost, digest.last),
            (0, None, digest.opened_at)
        );
    }

    #[test]
    fn what_is_no_record_is_passed_over() {
        for line in [
            &b""[..],
            b"{",
            b"null",
            b"[]",
            b"{\"time\":\"2026-01-02T03:04:05Z\",\"type\":\"incident\"",
            b"{\"time\":\"yesterday\",\"type\":\"reload\",\"instance\":\"a\"}",
            b"{\"time\":\"2026-01-02T03:04:05Z\",\"type\":\"reload\",\"instance\":\"a\",\"x\":\"\xff\"}",
            b"{\"time\":\"2026-01-02T03:04:05Z\",\"type\":\"reload\",\"instance\":\"a\xff\"}",
            &[0; 99],
            &[b'['; 9999],
        ] {
            assert!(head(line).is_none(), "{}", line.escape_ascii());
        }
        for other in [
            json!({"id": ""}),
            json!({"id": "x".repeat(MAX_NAME + 1)}),
            json!({"instance": "x".repeat(MAX_NAME + 1)}),
            json!({"state": "asleep"}),
            json!({"opened_at": 5}),
            json!({"responses": {"500": -1}}),
            json!({"evidence": [{"what": "no time"}]}),
        ] {
            assert_eq!(
                digest_of(&incident("a-1", "opened", &other)),
                None,
                "{other}"
            );
        }
        let most = json!({"responses": {"500": u64::MAX, "502": 1}});
        let digest = digest_of(&incident("a-1", "opened", &most)).expect("a record");
        assert_eq!(digest.failed, u64::MAX, "no overflow");
    }
}

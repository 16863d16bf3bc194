//! A run of failures with one cause on one nginx.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Cause,
    advice::advice,
    key::Key,
    subjects::Subjects,
    summary,
    suspects::{Death, Suspects},
};
use crate::{clock::Time, names::Name};

/// Different pieces of evidence that an incident keeps; more are counted in the last.
const MAX_EVIDENCE: usize = 16;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// First evidence.
    Opened,
    /// More evidence.
    Updated,
    /// Quiet since.
    Closed,
}

/// How sure the cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Not proven.
    Possible,
    /// Proven by one source that can err.
    Probable,
    /// Proven by the kernel or by independent sources.
    Confirmed,
}

/// One kind of thing that was seen, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// When it was seen last.
    pub time: Time,
    /// Which source saw it.
    pub source: &'static str,
    /// What, in words.
    pub what: String,
    /// How often.
    pub count: u64,
    /// One of them in nginx's own words, where it said any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// An incident as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Names it in all its records.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// Why.
    pub cause: Cause,
    /// The upstream that it is about; null where it is about none, or several.
    pub upstream: Option<String>,
    /// What exactly, of the cause's closed list; null where nothing tells.
    pub detail: Option<Name>,
    /// How sure that is.
    pub confidence: Confidence,
    /// False when records were lost while it was open.
    pub complete: bool,
    /// Failed responses of this cause, by status.
    pub responses: BTreeMap<u16, u64>,
    /// Requests that ended without a response; null while nothing follows them.
    pub lost_requests: Option<u64>,
    /// First evidence.
    pub opened_at: Time,
    /// When it became quiet.
    pub closed_at: Option<Time>,
    /// One line for a person.
    pub summary: String,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// What to do next.
    pub advice: Vec<String>,
}

impl Incident {
    /// Its cause, and what exactly where that is known: `nginx_down (failed_start)`.
    #[must_use]
    pub fn title(&self) -> String {
        let cause = match self.cause {
            Cause::Unknown => "cause unknown",
            cause => cause.as_str(),
        };
        self.detail
            .map_or_else(|| cause.to_owned(), |detail| format!("{cause} ({detail})"))
    }
}

/// An open incident.
pub(super) struct Run {
    pub incident: Incident,
    pub last_evidence: Time,
    pub last_said: Time,
    pub last_death: Option<Time>,
    /// Processes that fail as long as nothing else is said: it does not close while there are any.
    pub lasting: BTreeSet<u32>,
    /// It does not close for want of new evidence before.
    pub lasting_until: Option<Time>,
    /// Something is not yet written.
    pub changed: bool,
    suspects: Suspects,
    subjects: Subjects,
    /// Failed responses that were logged near its deaths, by status.
    nearby: BTreeMap<u16, (Time, u64)>,
}

/// New evidence, and the failed responses that it explains, by status.
#[derive(Default)]
pub(super) struct Evidenced {
    pub pieces: Vec<Evidence>,
    pub responses: BTreeMap<u16, u64>,
    pub deaths: Vec<Death>,
    /// How sure the cause is; none where the kernel proved it.
    pub confidence: Option<Confidence>,
    /// What it is about.
    pub subjects: Subjects,
    /// What exactly it is.
    pub detail: Option<Name>,
}

impl From<Vec<Evidence>> for Evidenced {
    fn from(pieces: Vec<Evidence>) -> Self {
        Self {
            pieces,
            ..Self::default()
        }
    }
}

impl Run {
    pub(super) fn open(id: String, key: &Key, time: Time) -> Self {
        Self {
            incident: Incident {
                id,
                state: State::Opened,
                cause: key.cause,
                upstream: key.upstream.as_deref().map(str::to_owned),
                detail: None,
                confidence: Confidence::Possible,
                complete: true,
                responses: BTreeMap::new(),
                lost_requests: None,
                opened_at: time,
                closed_at: None,
                summary: String::new(),
                evidence: Vec::new(),
                advice: Vec::new(),
            },
            last_evidence: time,
            last_said: time,
            last_death: None,
            lasting: BTreeSet::new(),
            lasting_until: None,
            changed: false,
            suspects: Suspects::default(),
            subjects: Subjects::default(),
            nearby: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, time: Time, new: Evidenced) {
        self.last_evidence = self.last_evidence.max(time);
        self.changed = true;
        if self.incident.cause != Cause::Unknown {
            let sure = new.confidence.unwrap_or(Confidence::Confirmed);
            self.incident.confidence = self.incident.confidence.max(sure);
        }
        self.subjects.merge(new.subjects);
        self.incident.detail = new.detail.or(self.incident.detail);
        for death in new.deaths {
            if let Some(lost) = death.lost {
                *self.incident.lost_requests.get_or_insert(0) += lost;
                self.suspects.add(death);
            }
        }
        for (code, count) in new.responses {
            *self.incident.responses.entry(code).or_default() += count;
        }
        for mut new in new.pieces {
            new.time = time;
            let known = &mut self.incident.evidence;
            let same = known
                .iter_mut()
                .find(|old| old.source == new.source && old.what == new.what);
            if let Some(old) = same {
                old.time = old.time.max(time);
                old.count += new.count;
                old.sample = old.sample.take().or(new.sample);
            } else if known.len() < MAX_EVIDENCE {
                known.push(new);
            } else if let Some(last) = known.last_mut() {
                "and others".clone_into(&mut last.what);
                last.sample = None;
                last.time = last.time.max(time);
                last.count += new.count;
            }
        }
    }

    pub(super) fn beside(&mut self, time: Time, failed: &BTreeMap<u16, u64>) {
        for (code, count) in failed {
            let (last, sum) = self.nearby.entry(*code).or_default();
            *last = (*last).max(time);
            *sum += count;
        }
        self.changed = true;
    }

    /// The incident as it stands now.
    pub(super) fn say(&mut self, state: State, now: Time) -> Incident {
        self.incident.state = state;
        self.incident.closed_at = (state == State::Closed).then_some(now);
        let mut incident = self.incident.clone();
        let nearby = self.nearby.iter().map(|(code, (time, count))| Evidence {
            time: *time,
            source: "access_log",
            what: format!("HTTP {code} logged within 2 s of a death, not proven to be its doing"),
            count: *count,
            sample: None,
        });
        incident.evidence.extend(nearby);
        let suspects = self.suspects.named().into_iter();
        incident
            .evidence
            .extend(suspects.map(|(what, count)| Evidence {
                time: self.last_evidence,
                source: "requests",
                what,
                count,
                sample: None,
            }));
        incident.summary = summary::of_incident(&incident);
        incident.advice = advice(incident.cause, &self.subjects);
        incident
    }
}

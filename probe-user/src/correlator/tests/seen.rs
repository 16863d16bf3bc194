//! One request as the kernel half, the logs and the configuration tell of it, to be put together in
//! tests.

use std::sync::Arc;

use serde_json::json;

use super::{at, correlator, fact};
use crate::{
    access_log::how::How,
    error_log::{self, Level},
    error_path::Message,
    facts::{Event, Logged, Noted, Returns, Sources},
    requests::{Answer, Attempt, RequestLine},
};

pub(super) const ALL: Sources = Sources {
    requests: true,
    messages: true,
    access_log: true,
    upstream_status: false,
    error_log: true,
};
pub(super) const LOGS: Sources = Sources {
    requests: false,
    messages: false,
    ..ALL
};

/// One request, and who tells what of it.
pub(super) struct Seen {
    pub(super) sources: Sources,
    pub(super) answer: Option<Answer>,
    pub(super) line: Option<Logged>,
    pub(super) note: Option<Noted>,
    /// What answers at the path, as the configuration says it.
    pub(super) says: serde_json::Value,
    /// Failing statuses that the configuration may answer with there.
    pub(super) codes: &'static [u16],
    pub(super) mirrors: &'static [&'static str],
}

impl Seen {
    pub(super) fn by(sources: Sources) -> Self {
        Self {
            sources,
            answer: None,
            line: None,
            note: None,
            says: json!({}),
            codes: &[],
            mirrors: &[],
        }
    }

    /// The kernel half tells of an answer with this status, after these attempts.
    pub(super) fn sent(status: u16, attempts: &[Attempt]) -> Self {
        Self {
            answer: Some(Answer {
                pid: 7,
                status: Some(status),
                attempts: attempts.to_vec(),
                upstream: (!attempts.is_empty()).then(|| "10.0.0.1:80".to_owned()),
                request: Some(request()),
                client: Some("10.0.0.9:40000".to_owned()),
                ..Answer::default()
            }),
            ..Self::by(ALL)
        }
    }

    /// nginx began an error answer with this status, having said a message of this class.
    pub(super) fn made(mut self, status: u16, class: Option<&str>) -> Self {
        let answer = self.answer.as_mut().expect("an answer");
        answer.made = Some(status);
        answer.message = class.map(message);
        self
    }

    pub(super) fn logged(mut self, status: u16, how: How) -> Self {
        self.line = Some(Logged {
            request: Some(request()),
            as_sent: true,
            client: Some("10.0.0.9".to_owned()),
            ..Logged::several(status, how, 1)
        });
        self
    }

    pub(super) fn noted(mut self, class: &str) -> Self {
        self.note = Some(Noted {
            class: error_log::named(class).expect("a class"),
            level: Level::Error,
            errno: None,
            pid: 7,
            connection: None,
            request: Some(request()),
            client: Some("10.0.0.9".to_owned()),
            upstream: None,
            file: None,
            subrequest: None,
            rule: None,
            words: Some("acme said no".to_owned()),
        });
        self
    }

    pub(super) fn says(mut self, says: serde_json::Value) -> Self {
        self.says = says;
        self
    }

    pub(super) fn codes(mut self, codes: &'static [u16]) -> Self {
        self.codes = codes;
        self
    }

    /// What is told of it in the end: status, cause and confidence; nothing where it is no failure.
    pub(super) fn told(self) -> Option<(u16, String, String)> {
        let mut correlator = correlator();
        correlator.tell_responses();
        let returns: Returns = serde_json::from_value(json!({
            "servers": [{
                "everywhere": [],
                "locations": [{
                    "kind": "prefix", "pattern": "/", "codes": self.codes, "says": self.says,
                }],
            }],
            "mirrors": self.mirrors,
        }))
        .expect("a configuration");
        let mut given = vec![
            Event::Sources(self.sources),
            Event::Returns(Arc::new(returns)),
        ];
        given.extend(self.note.map(|note| Event::Noted(Box::new(note))));
        given.extend(self.answer.map(|answer| Event::Answer(Box::new(answer))));
        given.extend(self.line.map(|line| Event::Logged(Box::new(line))));
        let mut records = Vec::new();
        for event in given {
            records.extend(correlator.fact(fact(10, event)));
        }
        records.extend(correlator.finish(at(20_000)));
        let incident = super::incidents(&records).pop();
        let failed = correlator.take_failures();
        assert!(failed.len() <= 1, "{failed:?}");
        let failed = failed.first()?;
        let incident = incident.expect("an incident of each failure");
        assert_eq!(incident["cause"], failed.cause.as_str());
        let sure = incident["confidence"].as_str().unwrap_or_default();
        Some((
            failed.code,
            failed.cause.as_str().to_owned(),
            sure.to_owned(),
        ))
    }
}

pub(super) fn request() -> RequestLine {
    RequestLine {
        method: "GET".into(),
        path: "/page".into(),
        cut: false,
    }
}

pub(super) fn message(class: &str) -> Message {
    Message {
        class: error_log::named(class).expect("a class"),
        level: Level::Error,
        errno: None,
        call: None,
    }
}

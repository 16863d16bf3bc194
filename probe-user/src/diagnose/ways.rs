//! The ways to a failed response, as the questions that tell them apart.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    correlator::Cause,
    snapshot::{Snapshot, whole},
};

/// One question, and how many failed responses it was answered with yes for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// For a person.
    pub question: &'static str,
    /// How many.
    pub responses: u64,
    /// The same by cause.
    pub causes: BTreeMap<&'static str, u64>,
}

const WAYS: [(&str, &[Cause]); 7] = [
    (
        "did an upstream answer with it, and nginx pass it on?",
        &[Cause::UpstreamResponse],
    ),
    (
        "did nginx put a failure in the place of an upstream's answer?",
        &[Cause::UpstreamIntercepted],
    ),
    (
        "did nginx get no answer from an upstream?",
        &[
            Cause::UpstreamRefused,
            Cause::UpstreamTimeout,
            Cause::UpstreamClosed,
            Cause::BackendCrash,
        ],
    ),
    (
        "did something run out, or was it limited?",
        &[
            Cause::FdExhaustion,
            Cause::WorkerConnections,
            Cause::MemoryExhaustion,
            Cause::DiskFull,
            Cause::Limited,
        ],
    ),
    (
        "does the configuration ask for it?",
        &[Cause::ConfigResponse],
    ),
    (
        "did its configuration, a permission or Lua fail nginx itself?",
        &[
            Cause::ConfigError,
            Cause::RedirectCycle,
            Cause::PermissionDenied,
            Cause::AuthRequest,
            Cause::LuaError,
        ],
    ),
    ("is it not known why?", &[]),
];

/// Failures behind which clients saw none.
pub const MASKED: Cause = Cause::UpstreamMasked;

/// Failed responses of one nginx by status and by cause, in the time between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// By status.
    pub codes: BTreeMap<u16, u64>,
    /// By cause.
    pub causes: BTreeMap<Cause, u64>,
    /// Answers below 500 behind which an upstream had failed.
    pub masked: u64,
}

impl Failures {
    /// What one nginx has more in `after` than in `before`.
    #[must_use]
    pub fn of(before: &Snapshot, after: &Snapshot, nginx: &str) -> Self {
        const NAME: &str = "nginx_http_error_responses_total";
        let mut all = Self::default();
        for (labels, now) in after.of(NAME, nginx) {
            let was = before.sum(NAME, nginx, |one| one == labels).unwrap_or(0.0);
            let more = whole(now - was);
            let named = |cause: &Cause| labels.get("cause").is_some_and(|it| it == cause.as_str());
            let Some(cause) = Cause::ALL.into_iter().find(named).filter(|_| more > 0) else {
                continue;
            };
            if cause == MASKED {
                all.masked += more;
                continue;
            }
            let code = labels.get("code").and_then(|code| code.parse().ok());
            *all.codes.entry(code.unwrap_or(0)).or_default() += more;
            *all.causes.entry(cause).or_default() += more;
        }
        all
    }

    /// All that clients saw.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.codes.values().sum()
    }

    /// The questions, each answered.
    #[must_use]
    pub fn ways(&self) -> Vec<Way> {
        let mut left = self.causes.clone();
        let mut ways = Vec::new();
        for (question, causes) in WAYS {
            let of = if causes.is_empty() {
                std::mem::take(&mut left)
            } else {
                let taken = causes.iter().filter_map(|cause| left.remove_entry(cause));
                taken.collect()
            };
            ways.push(Way {
                question,
                responses: of.values().sum(),
                causes: of
                    .into_iter()
                    .map(|(cause, n)| (cause.as_str(), n))
                    .collect(),
            });
        }
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_in_one_way() {
        let causes = Cause::ALL.into_iter().filter(|cause| *cause != MASKED);
        let failures = Failures {
            causes: causes.map(|cause| (cause, 1)).collect(),
            ..Failures::default()
        };
        let ways = failures.ways();
        let sum: u64 = ways.iter().map(|way| way.responses).sum();
        assert_eq!(sum, Cause::ALL.len() as u64 - 1);
        assert!(ways.iter().all(|way| way.responses > 0), "{ways:?}");
        assert!(ways[6].causes.contains_key("unknown"));
    }

    #[test]
    fn what_was_counted_before_is_left_out() {
        let text = |count: u32| {
            Snapshot::parse(&format!(
                "nginx_http_error_responses_total{{nginx=\"n\",code=\"500\",cause=\"limited\"}} \
                 {count}\n\
                 nginx_http_error_responses_total{{nginx=\"n\",code=\"200\",\
                 cause=\"upstream_masked\"}} {count}\n"
            ))
        };
        let failures = Failures::of(&text(3), &text(5), "n");
        assert_eq!((failures.total(), failures.masked), (2, 2));
        assert_eq!(failures.codes, BTreeMap::from([(500, 2)]));
    }
}

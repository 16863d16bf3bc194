//! What an incident is of: one nginx, one cause, and where it is about an upstream, that upstream.

use std::sync::Arc;

use super::{Cause, Correlator, Evidenced};
use crate::{clock::Time, facts::Instance};

/// Upstreams of one nginx that have incidents of one cause of their own; those of more are one.
const MAX_UPSTREAMS: usize = 8;

/// Tells open incidents apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub instance: Instance,
    pub cause: Cause,
    /// The upstream's address.
    pub upstream: Option<Arc<str>>,
}

impl Key {
    /// Of an incident that is about no upstream, or about several.
    pub(super) fn of(instance: &Instance, cause: Cause) -> Self {
        Self {
            instance: instance.clone(),
            cause,
            upstream: None,
        }
    }
}

impl Correlator {
    /// Evidence of a failure that is about one upstream, or about none.
    pub(super) fn evidence_about(
        &mut self,
        time: Time,
        instance: &Instance,
        cause: Cause,
        upstream: Option<&str>,
        new: Evidenced,
    ) {
        let key = self.key_of(instance, cause, upstream);
        self.add_evidence(time, key, new);
    }

    /// The key of what is about one upstream: of too many they share one.
    pub(super) fn key_of(&self, instance: &Instance, cause: Cause, upstream: Option<&str>) -> Key {
        let shared = Key::of(instance, cause);
        let Some(upstream) = upstream else {
            return shared;
        };
        let own = Key {
            upstream: Some(upstream.into()),
            ..shared.clone()
        };
        let first = shared.clone();
        let of_cause = self.open.range(first..);
        let of_cause = of_cause
            .take_while(|(key, _)| key.instance == *instance && key.cause == cause)
            .filter(|(key, _)| key.upstream.is_some());
        if self.open.contains_key(&own) || of_cause.count() < MAX_UPSTREAMS {
            own
        } else {
            shared
        }
    }
}

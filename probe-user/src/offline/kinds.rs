//! Failures by how they came about, and by what the error log says about them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{pairs::Explained, tally::Failures};
use crate::{access_log::how::How, correlator::Cause, error_log::Class};

/// Failures of one kind.
#[derive(Debug, Serialize)]
pub struct Kind {
    /// How, as the access log tells it.
    pub how: How,
    /// The cause: that which the line alone proves, else that of a message about the same request.
    pub cause: Cause,
    /// The class of that message.
    pub class: Option<&'static str>,
    /// What clients were sent, and how often.
    pub statuses: BTreeMap<u16, u64>,
    /// All of them.
    pub count: u64,
    /// What the class means.
    #[serde(skip)]
    pub means: Option<&'static str>,
}

/// The class of a message about failures, and these by status.
type Told = (Option<&'static Class>, BTreeMap<u16, u64>);

/// The kinds of failures, most frequent first, where some are explained by messages.
#[must_use]
pub fn kinds(failures: &Failures, explained: &Explained) -> Vec<Kind> {
    let mut kinds: BTreeMap<(How, Option<&str>), Told> = BTreeMap::new();
    let mut add = |how, class: Option<&'static Class>, status, count| {
        if count > 0 {
            let kind = kinds.entry((how, class.map(|class| class.name)));
            let kind = kind.or_insert((class, BTreeMap::new()));
            *kind.1.entry(status).or_default() += count;
        }
    };
    let mut rest = failures.clone();
    for ((how, status, _), (class, count)) in explained {
        let left = rest.entry((*how, *status)).or_default();
        let count = (*count).min(*left);
        *left -= count;
        add(*how, Some(*class), *status, count);
    }
    for ((how, status), count) in rest {
        add(how, None, status, count);
    }
    let kind = |((how, _), (class, statuses)): ((How, Option<&str>), Told)| Kind {
        how,
        cause: class.and_then(|class| class.cause).unwrap_or(how.cause()),
        class: class.map(|class| class.name),
        means: class.map(|class| class.means),
        count: statuses.values().sum(),
        statuses,
    };
    let mut kinds: Vec<_> = kinds.into_iter().map(kind).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    kinds
}

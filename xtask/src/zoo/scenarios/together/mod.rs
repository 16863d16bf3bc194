//! Two faults at once.

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[];

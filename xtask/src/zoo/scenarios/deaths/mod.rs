//! Processes that die, hang, or are refused.

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[];

//! What nginx answers by itself.

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[];

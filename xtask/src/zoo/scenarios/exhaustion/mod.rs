//! Something has run out.

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[];

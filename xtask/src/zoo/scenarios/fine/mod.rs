//! Nothing is wrong, however it looks.

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[];

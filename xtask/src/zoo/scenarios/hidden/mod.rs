//! Failures that no status of 500 and more shows, or that nobody behind nginx was asked for.

mod cached_failures;
mod cut_answer;
mod failing_part;
mod masked_outage;
mod stale_cache;
mod stuck_answer;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    masked_outage::SCENARIO,
    stale_cache::SCENARIO,
    failing_part::SCENARIO,
    cut_answer::SCENARIO,
    stuck_answer::SCENARIO,
    cached_failures::SCENARIO,
];

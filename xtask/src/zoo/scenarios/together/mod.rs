//! Two faults at once.

mod crash_and_limit;
mod failures_and_reloads;
mod fds_and_timeout;
mod upstream_and_cycle;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    upstream_and_cycle::SCENARIO,
    fds_and_timeout::SCENARIO,
    crash_and_limit::SCENARIO,
    failures_and_reloads::SCENARIO,
];

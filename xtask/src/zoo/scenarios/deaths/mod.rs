//! Processes that die, hang, or are refused.

mod abort;
mod backlog_overflow;
mod crash_loop;
mod exit_code;
mod hung_blocked;
mod hung_spinning;
mod kill_9;
mod master_killed;
mod oom_kill;
mod reload_refused;
mod segv;
mod shutdown_timeout;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    segv::SCENARIO,
    abort::SCENARIO,
    exit_code::SCENARIO,
    crash_loop::SCENARIO,
    oom_kill::SCENARIO,
    kill_9::SCENARIO,
    hung_spinning::SCENARIO,
    hung_blocked::SCENARIO,
    backlog_overflow::SCENARIO,
    master_killed::SCENARIO,
    reload_refused::SCENARIO,
    shutdown_timeout::SCENARIO,
];

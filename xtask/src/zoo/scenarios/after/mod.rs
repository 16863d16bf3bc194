//! An upstream did its part, and what nginx did next failed.

mod accel_redirect;
mod after_auth;
mod after_auth_upstream;
mod fallback_chain;
mod fallback_fails;
mod login_dead;
mod mirror_beside_failure;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    after_auth::SCENARIO,
    after_auth_upstream::SCENARIO,
    login_dead::SCENARIO,
    accel_redirect::SCENARIO,
    fallback_fails::SCENARIO,
    fallback_chain::SCENARIO,
    mirror_beside_failure::SCENARIO,
];

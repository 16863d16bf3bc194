//! What scripts and modules inside nginx answer, or fail at.

mod dav;
mod firewall;
mod lua_balancer;
mod lua_exit;
mod lua_filters;
mod mp4;
mod njs;
mod perl;
mod xslt;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    lua_exit::SCENARIO,
    lua_balancer::SCENARIO,
    lua_filters::SCENARIO,
    njs::SCENARIO,
    perl::SCENARIO,
    xslt::SCENARIO,
    firewall::SCENARIO,
    mp4::SCENARIO,
    dav::SCENARIO,
];

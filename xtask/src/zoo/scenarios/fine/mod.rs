//! Nothing is wrong, however it looks.

mod aborting_clients;
mod burst;
mod mirror_dead;
mod not_found;
mod post_action;
mod reloads;
mod rotation;
mod slow_clients;
mod stop_and_start;
mod upgrade;
mod upstream_replaced;
mod websockets;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    reloads::SCENARIO,
    upgrade::SCENARIO,
    rotation::SCENARIO,
    aborting_clients::SCENARIO,
    not_found::SCENARIO,
    slow_clients::SCENARIO,
    upstream_replaced::SCENARIO,
    stop_and_start::SCENARIO,
    burst::SCENARIO,
    mirror_dead::SCENARIO,
    websockets::SCENARIO,
    post_action::SCENARIO,
];

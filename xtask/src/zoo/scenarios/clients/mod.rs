//! Failures of the usual kinds, for clients that come in another way.

mod expect_continue;
mod kept_connection;
mod pipelined;
mod proxy_protocol;
mod through_socket;
mod tls_clients_allowed;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    proxy_protocol::SCENARIO,
    through_socket::SCENARIO,
    expect_continue::SCENARIO,
    kept_connection::SCENARIO,
    pipelined::SCENARIO,
    tls_clients_allowed::SCENARIO,
];

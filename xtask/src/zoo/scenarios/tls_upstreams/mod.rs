//! What is behind nginx is spoken to in ways that cannot be read from outside.

mod grpc_upstream;
mod tls_upstream;
mod tls_upstream_broken;
mod tls_upstream_http2;
mod tls_upstream_kept;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    tls_upstream::SCENARIO,
    tls_upstream_kept::SCENARIO,
    tls_upstream_http2::SCENARIO,
    tls_upstream_broken::SCENARIO,
    grpc_upstream::SCENARIO,
];

//! What is behind nginx fails.

mod closed_early;
mod http2;
mod intercepted_failing;
mod intercepted_missing;
mod intercepted_status;
mod invalid_header;
mod masked;
mod no_live_upstreams;
mod php_killed;
mod php_oom;
mod refused;
mod saved_by_retry;
mod timeout_connect;
mod timeout_read;
mod tls;
mod unresolved;
mod upstream_fastcgi;
mod upstream_http;
mod upstream_lua;
mod upstream_unix;
mod upstream_uwsgi;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    upstream_http::SCENARIO,
    upstream_unix::SCENARIO,
    upstream_fastcgi::SCENARIO,
    upstream_uwsgi::SCENARIO,
    upstream_lua::SCENARIO,
    refused::SCENARIO,
    timeout_connect::SCENARIO,
    timeout_read::SCENARIO,
    closed_early::SCENARIO,
    invalid_header::SCENARIO,
    tls::SCENARIO,
    http2::SCENARIO,
    intercepted_missing::SCENARIO,
    intercepted_failing::SCENARIO,
    intercepted_status::SCENARIO,
    masked::SCENARIO,
    no_live_upstreams::SCENARIO,
    unresolved::SCENARIO,
    saved_by_retry::SCENARIO,
    php_killed::SCENARIO,
    php_oom::SCENARIO,
];

//! What is behind nginx fails.

mod closed_early;
mod header_too_big;
mod http2;
mod idle_closed;
mod inner_server;
mod intercepted_failing;
mod intercepted_missing;
mod intercepted_status;
mod invalid_header;
mod last_attempt;
mod masked;
mod memcached;
mod no_live_upstreams;
mod not_sent_again;
mod odd_answers;
mod php_killed;
mod php_oom;
mod php_terminated;
mod refused;
mod resolver_dead;
mod saved_by_retry;
mod scgi;
mod socket_denied;
mod timeout_connect;
mod timeout_read;
mod tls;
mod unresolved;
mod upload_refused;
mod upstream_fastcgi;
mod upstream_http;
mod upstream_lua;
mod upstream_unix;
mod upstream_uwsgi;
mod uwsgi_harakiri;

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
    socket_denied::SCENARIO,
    resolver_dead::SCENARIO,
    not_sent_again::SCENARIO,
    header_too_big::SCENARIO,
    odd_answers::SCENARIO,
    inner_server::SCENARIO,
    memcached::SCENARIO,
    scgi::SCENARIO,
    php_terminated::SCENARIO,
    uwsgi_harakiri::SCENARIO,
    idle_closed::SCENARIO,
    last_attempt::SCENARIO,
    upload_refused::SCENARIO,
];

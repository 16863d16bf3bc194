//! What is behind nginx fails.

mod closed_early;
mod invalid_header;
mod refused;
mod timeout_connect;
mod timeout_read;
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
];

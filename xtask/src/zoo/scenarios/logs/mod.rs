//! Failures of the usual kinds, and logs that make them hard to read.

mod log_forwarded;
mod log_renamed;
mod log_without_client;
mod plain_log_auth;
mod plain_log_masked;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    log_forwarded::SCENARIO,
    log_without_client::SCENARIO,
    log_renamed::SCENARIO,
    plain_log_masked::SCENARIO,
    plain_log_auth::SCENARIO,
];

/// What nginx logs unless it is told otherwise.
const PLAIN: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
     \"$http_referer\" \"$http_user_agent\"";

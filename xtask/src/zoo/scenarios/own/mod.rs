//! What nginx answers by itself.

mod auth_request;
mod auth_request_dead;
mod auth_request_unfit;
mod config_errors;
mod config_responses;
mod denied_body;
mod denied_password;
mod limit_conn;
mod limit_page;
mod limit_req;
mod lua_error;
mod missing_location;
mod no_resolver;
mod redirect_cycle;
mod regex_gives_up;
mod return_500;
mod rewrite_cycle;

use super::Scenario;

pub(super) const ALL: &[Scenario] = &[
    rewrite_cycle::SCENARIO,
    redirect_cycle::SCENARIO,
    return_500::SCENARIO,
    missing_location::SCENARIO,
    config_errors::SCENARIO,
    no_resolver::SCENARIO,
    denied_password::SCENARIO,
    denied_body::SCENARIO,
    auth_request::SCENARIO,
    auth_request_dead::SCENARIO,
    limit_req::SCENARIO,
    lua_error::SCENARIO,
    config_responses::SCENARIO,
    limit_page::SCENARIO,
    limit_conn::SCENARIO,
    regex_gives_up::SCENARIO,
    auth_request_unfit::SCENARIO,
];

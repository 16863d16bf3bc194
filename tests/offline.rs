//! `nginx-probe logs`: offline, on logs that a real nginx wrote, and on what is no log.

#[path = "offline/envelopes.rs"]
mod envelopes;
#[path = "offline/inputs.rs"]
mod inputs;
#[path = "offline/nginx.rs"]
mod nginx;
#[path = "offline/reports.rs"]
mod reports;
#[path = "offline/shapes.rs"]
mod shapes;

//! nginx's own counters, asked for over HTTP where its configuration has a `stub_status`.
//!
//! [`endpoints`] says where that is, [`start`] asks there in a task of its own. What workers left in
//! the counters when they died is taken off: see `residue`.

mod ask;
mod endpoints;
mod parse;
mod poll;
mod problem;
mod residue;
mod sockets;

pub use self::{
    endpoints::{Address, Endpoint, endpoints},
    parse::{Counters, parse},
    poll::{Outcome, Poller, Report, Target, start},
    problem::Problem,
};

//! Where records and measurements go.

pub mod console;
pub mod form;
pub mod http;
pub mod journal;
mod lines;
pub mod messages;
pub mod metrics;
pub mod printable;
mod process;
pub mod queue;

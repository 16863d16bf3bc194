//! The agent half of nginx-probe: sources, a correlator, and sinks.
//!
//! Sources see (`kernel`, `fleet`, `access_log`, `oom`), the correlator says what it means, sinks
//! pass it on. `agent` ties them together.

pub mod access_log;
pub mod agent;
pub mod clock;
pub mod config;
pub mod correlator;
pub mod crash;
pub mod doctor;
pub mod facts;
pub mod fleet;
pub mod kernel;
pub mod lifecycle;
pub mod oom;
pub mod options;
pub mod proc;
pub mod records;
pub mod rooted;
pub mod signals;
pub mod sinks;
pub mod source;
pub mod usage;

//! The agent half of nginx-probe: sources, a correlator, and sinks.
//!
//! Sources see (`kernel`, `fleet`, `access_log`, `oom`), the correlator says what it means, sinks
//! pass it on. `agent` ties them together.

pub mod accept;
pub mod access_log;
pub mod agent;
pub mod backends;
pub mod clock;
pub mod config;
pub mod container;
pub mod correlator;
pub mod crash;
pub mod diagnose;
pub mod doctor;
pub mod errnos;
pub mod error_log;
pub mod error_path;
pub mod facts;
pub mod fleet;
pub mod follow;
pub mod hang;
pub mod incidents;
pub mod kernel;
pub mod lifecycle;
pub mod listen_queue;
pub mod named;
pub mod names;
pub mod offline;
pub mod oom;
pub mod options;
pub mod package_files;
pub mod privileges;
pub mod proc;
pub mod processes;
pub mod recording;
pub mod records;
pub mod replay;
pub mod requests;
pub mod rooted;
pub mod signals;
pub mod sinks;
pub mod snapshot;
pub mod source;
pub mod stub_status;
pub mod thresholds;
pub mod usage;

//! Fixtures: a private nginx, real faults, and the agent under test.
//!
//! Everything here is the real thing: nginx from the unpacked tools, a native crash inside a
//! worker, the kernel's own OOM killer. Shared by the end-to-end tests and `cargo xtask demo`.
//! What a fixture starts or makes, it ends or removes when it is dropped.
#![allow(
    clippy::missing_errors_doc,
    reason = "every error here means that a step of the fixture failed, and its text says which"
)]

pub mod agent;
pub mod answers;
pub mod applications;
pub mod bpf;
pub mod certificate;
pub mod cgroup;
pub mod client;
pub mod command;
pub mod contained;
pub mod container;
pub mod exhaustion;
pub mod faults;
pub mod fixed;
pub mod full_listener;
pub mod groups;
pub mod http;
pub mod http2;
pub mod metrics;
pub mod mounted;
pub mod nginx;
pub mod nginx_config;
pub mod nginx_control;
pub mod ns;
pub mod ports;
pub mod processes;
pub mod records;
pub mod tools;
pub mod upstream;
pub mod wait;

//! The kernel half, seen from the agent: loading, attaching, tracking and reading.

mod btf;
mod load;

pub use btf::{Btf, BtfError};
pub use load::{BTF_PATH, Kernel, LoadError, PROGRAMS, ProgramSpec};

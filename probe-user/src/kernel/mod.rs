//! The kernel half, seen from the agent: loading, attaching, tracking and reading.

mod btf;
pub mod calls;
mod load;
mod multi;
pub mod programs;
mod uprobes;
mod workers;

pub use btf::{Btf, BtfError};
pub use load::{BTF_PATH, Kernel, LoadError, Sizes};
pub use programs::{Hook, PROGRAMS, ProgramSpec, Way};
pub use uprobes::{EntryError, EntryLink, EntryWay};
pub use workers::Workers;

//! Names the functions on the stack of a crashed worker.
//!
//! The kernel half sends the registers and the top of the stack at the fatal signal. The process
//! may be gone when they arrive, so addresses are looked up in the mappings of its master, read
//! before: a worker is forked from it and has the same ones.

mod cache;
mod cfi;
mod elf;
mod mappings;
mod open;
mod registers;
mod symbolizer;
mod symbols;
#[cfg(test)]
mod tests;

pub use mappings::{Mapping, Mappings};
pub use registers::Registers;
pub use symbolizer::{Frame, Symbolizer};

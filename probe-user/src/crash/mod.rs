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
mod told;

use std::{fs::File, io};

pub use mappings::{Mapping, Mappings};
pub use registers::Registers;
pub use symbolizer::{Frame, Symbolizer};
pub use told::told;

/// Where in an ELF file each of these functions begins, for those that it names.
///
/// # Errors
/// The file cannot be read, or is no ELF file of a kind that runs here.
pub fn function_offsets<const N: usize>(
    file: &File,
    functions: [&str; N],
) -> io::Result<[Option<u64>; N]> {
    let module = elf::Module::read(file).map_err(io::Error::other)?;
    Ok(functions.map(|function| module.offset_of(function)))
}

/// Where these variables of an ELF file lie, in bytes from where its first byte is once it is loaded:
/// what [`Mapping::base`] gives.
///
/// # Errors
/// The file cannot be read, or is no ELF file of a kind that runs here.
pub fn variable_offsets<const N: usize>(
    file: &File,
    variables: [&str; N],
) -> io::Result<[Option<u64>; N]> {
    elf::variables(file, variables).map_err(io::Error::other)
}

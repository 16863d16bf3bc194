//! nginx's access logs: reading their lines.

mod entry;
mod field;
mod format;
mod grammar;
mod guess;
pub mod how;
mod known;
mod list;
mod literal;
mod parse;
mod request;
mod scan;
mod template;
mod time;
mod unescape;
mod upstream;

pub use entry::Entry;
pub use field::Field;
pub use format::{Escape, Format, FormatError, MAX_FORMAT};
pub use guess::{Guess, Keys, objects, strings, texts};
pub use known::{KNOWN, Known, detect};
pub use parse::Read;
pub use upstream::{Attempt, Attempts};

#[cfg(test)]
mod tests;

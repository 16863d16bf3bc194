//! What nginx's own functions tell as it runs into an error: the answers that it makes itself, and
//! the messages for its error log, whatever becomes of either.
//!
//! The functions are found by name in each nginx binary and are watched at their entry only. Any of
//! them may be missing; then its part is done without.

mod binaries;
mod messages;

pub use binaries::{Binaries, Found, Missing};
pub use messages::{Message, Messages};

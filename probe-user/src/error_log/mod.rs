//! nginx's error log: the lines, what each says, and the closed list of classes.
//!
//! Bytes in, facts out: nothing here opens a file. [`records`] cuts a block of the log where
//! nginx's own writes begin and end, [`Parsed::of`] reads one of them, and [`Line::class`] says
//! what it means.
//!
//! # What a client can forge
//! nginx escapes nothing in this log (looked at in 1.22.1: `ngx_log_error_core`,
//! `ngx_http_log_error_handler`). A path from a URI is written decoded, line feeds and quotes
//! included, and a `Referer` is written as it came. So:
//! - The class hangs on how the message *begins*, which is nginx's own text, and on what stands at
//!   its end.
//! - Where the text of a message is nginx's own, the first `, client: ` is the true one. Where it
//!   holds text from outside, every place is tried that makes a whole line by nginx's grammar; if
//!   more than one does, what they disagree on is not given and [`Line::contested`] is set. A
//!   client can so hide its own address, and not put another's in its place.
//! - A line feed in a path (`%0A`) makes what looks like a line of its own. [`records`] takes it
//!   for what it is when the message is still open, when the request at its end, decoded, holds
//!   that text, or when nginx cut the whole at 2,048 bytes.
//!
//! Whole fields that a client chooses (`request`, `host`, `referrer`, `path()`) are of course its
//! own words. What else remains forgeable:
//! - lines of an upstream or of Lua code that passes on a client's line feeds, to who knows this
//!   format;
//! - the fields after `request` on nginx before 1.21.1, which let spaces into a request line, and
//!   those after `subrequest` where a client can choose its URI;
//! - a true line that a client foretells to the letter, time and process included, and puts into a
//!   path that is logged just before it, is taken for a part of that path;
//! - everything, when single lines and not blocks are given to [`records`].

mod body;
mod choose;
pub mod class;
mod classes;
mod context;
mod denied;
mod details;
mod errno;
mod format;
mod level;
mod line;
mod record;
mod rule;
mod time;
mod zone;

#[cfg(test)]
mod tests;

pub use class::{Answer, Class};
pub use classes::{OTHER, all as classes, named};
pub use denied::MODULES;
pub use details::{Ended, Exit};
pub use format::of_format;
pub use level::Level;
pub use line::{Console, Line, Parsed};
pub use record::{MAX_RECORD, Record, begins, ends, is_open, records};
pub use time::Civil;
pub use zone::Zone;

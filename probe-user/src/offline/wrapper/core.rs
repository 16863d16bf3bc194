//! What nginx itself writes, known by its look.

use crate::{
    access_log::{Entry, Field, Format, KNOWN, objects},
    error_log::{Parsed, begins},
};

/// Tells lines of nginx's from others.
#[derive(Debug)]
pub struct Core {
    formats: Vec<Format>,
}

impl Core {
    /// By the formats in wide use, and the one that was named.
    #[must_use]
    pub fn new(given: Option<&Format>) -> Self {
        let known = KNOWN.iter().filter_map(|known| Format::known(known.name));
        Self {
            formats: given.cloned().into_iter().chain(known).collect(),
        }
    }

    /// Whether it is a line of an access log in one of the formats.
    #[must_use]
    pub fn is_access(&self, line: &[u8]) -> bool {
        let mut entry = Entry::default();
        self.formats.iter().any(|format| {
            if !format.parse(line, &mut entry) {
                return false;
            }
            // Without its port a host's name may be any text before an address.
            entry.get(Field::Host).is_none_or(|host| {
                let behind = line.get(host.len()..).unwrap_or_default();
                !host.contains(&b' ') && !behind.starts_with(b": ")
            })
        })
    }

    /// Whether it begins a message of an error log.
    #[must_use]
    pub fn is_error(line: &[u8]) -> bool {
        begins(line) || is_console(line)
    }

    /// Whether it is either, or an object of JSON that tells of a request.
    #[must_use]
    pub fn is(&self, line: &[u8]) -> bool {
        Self::is_error(line) || Self::is_object(line) || self.is_access(line)
    }

    /// Whether it is an object of JSON with a status in it.
    #[must_use]
    pub fn is_object(line: &[u8]) -> bool {
        line.starts_with(b"{") && objects([line]).is_some()
    }
}

/// Whether nginx printed this on its standard error. The same stands before the lines of others in
/// syslog.
#[must_use]
pub fn is_console(line: &[u8]) -> bool {
    match Parsed::of(line) {
        Parsed::Console(console) => {
            console.level.is_some() || console.message.starts_with(b"configuration file ")
        }
        Parsed::Line(_) | Parsed::Continuation(_) => false,
    }
}

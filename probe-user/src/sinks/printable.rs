//! Text that others chose, made safe for a terminal.

use std::fmt::{self, Write};

/// Passes text on to `W`, with characters that steer a terminal or hide text written as escapes.
pub struct Printable<W>(pub W);

impl<W: Write> Write for Printable<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(steers) {
            let mut chars = part.chars();
            match chars.next_back() {
                Some(last) if steers(last) => {
                    self.0.write_str(chars.as_str())?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// What `text` displays as, with such characters escaped; newlines too.
#[must_use]
pub fn printable(text: impl fmt::Display) -> String {
    let mut out = Printable(String::new());
    // A string takes every write.
    let _ = write!(out, "{text}");
    out.0
}

/// Whether it is a control character, or one that changes the direction of text or breaks a line.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_steers_is_escaped() {
        assert_eq!(
            printable("a\u{1b}[2J\r\n\u{9b}é → \u{202e}b\0"),
            "a\\u{1b}[2J\\r\\n\\u{9b}é → \\u{202e}b\\u{0}"
        );
        assert_eq!(printable(""), "");
        assert_eq!(printable("/run/nginx.pid"), "/run/nginx.pid");
    }
}

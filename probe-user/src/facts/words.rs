//! What a message of the error log says, in nginx's own words, fit to be shown.

use std::fmt::Write as _;

use crate::{error_log::Line, sinks::printable::printable};

/// The longest text that is kept, in bytes.
const MAX: usize = 200;

/// The words of a message: its first line, bounded and printable, and without queries.
pub(super) fn of(line: &Line<'_>) -> Option<String> {
    let message = line.message.split(|byte| *byte == b'\n').next()?;
    let mut text = without_queries(message.get(..4 * MAX).unwrap_or(message));
    if let Some((number, meaning)) = line.errno {
        let meaning = String::from_utf8_lossy(meaning);
        let _ = write!(text, " ({number}: {meaning})");
    }
    let mut text = printable(text.trim());
    if text.len() > MAX {
        let end = text.floor_char_boundary(MAX);
        text.truncate(end);
        text.push('…');
    }
    (!text.is_empty()).then_some(text)
}

/// A text in which nothing follows a question mark, up to a space or a quote: it may be a secret.
fn without_queries(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let mut kept = String::with_capacity(text.len());
    let mut hidden = false;
    for one in text.chars() {
        if hidden && (one.is_whitespace() || matches!(one, '"' | '\'' | ')' | ',')) {
            hidden = false;
        }
        if !hidden {
            kept.push(one);
        }
        hidden |= one == '?';
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_log::Parsed;

    fn words(message: &str) -> Option<String> {
        let text = format!("2026/11/30 10:00:00 [error] 7#7: *1 {message}");
        match Parsed::of(text.as_bytes()) {
            Parsed::Line(line) => of(&line),
            _ => None,
        }
    }

    #[test]
    fn words_are_bounded_and_tell_no_query() {
        let told = words("the \"/a?token=s3cret\" of acme failed, client: 192.0.2.1");
        assert_eq!(told.as_deref(), Some("the \"/a?\" of acme failed"));
        let told = words(&"x".repeat(2000)).unwrap_or_default();
        assert!(told.len() <= MAX + 3 && told.ends_with('…'), "{told}");
        let told = words("acme() says \x1b[2J (2: No such file or directory)");
        assert!(told.is_some_and(|told| !told.contains('\x1b')));
    }
}

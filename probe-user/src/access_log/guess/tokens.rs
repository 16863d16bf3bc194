//! A line of text cut into values and what stands between them.

use super::names::Label;
use super::value;

/// A value of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What stands between the value before and this one: spaces, quotes, brackets, a label.
    pub before: &'a [u8],
    /// What the log calls it.
    pub label: Label,
    /// The value.
    pub value: &'a [u8],
}

/// A line as its values and what follows the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tokens<'a> {
    pub line: &'a [u8],
    pub values: Vec<Token<'a>>,
    pub after: &'a [u8],
}

/// A line with more values is not looked at.
const MOST: usize = 128;
/// Cells of a line for which a tab or a bar is what separates values.
const LEAST_CELLS: usize = 4;

impl<'a> Tokens<'a> {
    /// Of a line; none when it has too many values.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        let mut cutter = Cutter {
            line,
            at: 0,
            begun: 0,
            tokens: Vec::new(),
        };
        let separator = separator(line);
        match separator {
            Some(separator) => cutter.cells(separator)?,
            None => cutter.words()?,
        }
        let after = line.get(cutter.begun..)?;
        Some(Self {
            line,
            values: cutter.tokens,
            after,
        })
    }

    /// Whether another line has the same between its values.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.after == other.after
            && self.values.len() == other.values.len()
            && self
                .values
                .iter()
                .zip(&other.values)
                .all(|(one, other)| one.before == other.before)
    }
}

struct Cutter<'a> {
    line: &'a [u8],
    at: usize,
    /// Where what stands before the next value begins.
    begun: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Cutter<'a> {
    fn rest(&self, from: usize) -> &'a [u8] {
        self.line.get(from..).unwrap_or_default()
    }

    /// Takes a value that stands between two places, and goes on at the second.
    fn take(&mut self, start: usize, end: usize, label: &[u8]) -> Option<()> {
        if self.tokens.len() >= MOST {
            return None;
        }
        self.tokens.push(Token {
            before: self.line.get(self.begun..start)?,
            label: Label::of(label),
            value: self.line.get(start..end)?,
        });
        (self.begun, self.at) = (end, end);
        Some(())
    }

    /// Values with one byte between them.
    fn cells(&mut self, separator: u8) -> Option<()> {
        while self.at <= self.line.len() {
            let start = self.at;
            let rest = self.rest(start);
            let closed = |at: &usize| rest.get(at + 1).is_none_or(|byte| *byte == separator);
            let quoted = rest.first() == Some(&b'"');
            let quote = memchr::memchr_iter(b'"', rest).skip(1).find(closed);
            let length = match quote.filter(|_| quoted) {
                Some(quote) => quote + 1,
                None => memchr::memchr(separator, rest).unwrap_or(rest.len()),
            };
            let cell = self.line.get(start..start + length)?;
            let spaces = cell.len() - cell.trim_ascii_start().len();
            let cell = cell.trim_ascii();
            let (label, mut skipped) = match label(cell, b":=") {
                Some(end) => (cell.get(..end)?, end + 1),
                None => (&b""[..], 0),
            };
            let mut value = cell.get(skipped..)?;
            let quoted = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            let bracketed = value
                .strip_prefix(b"[")
                .and_then(|value| value.strip_suffix(b"]"));
            if let Some(inner) = quoted.or(bracketed) {
                (value, skipped) = (inner, skipped + 1);
            }
            let from = start + spaces + skipped;
            self.take(from, from + value.len(), label)?;
            self.at = start + length + 1;
        }
        Some(())
    }

    /// Values with spaces between them, in quotes or brackets or neither.
    fn words(&mut self) -> Option<()> {
        loop {
            let blank = self
                .rest(self.at)
                .iter()
                .take_while(|byte| b" \t|,;".contains(byte))
                .count();
            self.at += blank;
            let start = self.at;
            let Some(first) = self.line.get(start) else {
                return Some(());
            };
            match first {
                b'"' => self.quoted(start, b"")?,
                b'[' => self.bracketed(start)?,
                _ => self.bare(start)?,
            }
        }
    }

    fn quoted(&mut self, start: usize, label: &[u8]) -> Option<()> {
        let text = self.rest(start + 1);
        let end = memchr::memchr_iter(b'"', text).find(|at| {
            text.get(at + 1)
                .is_none_or(|byte| b" \t|,;]".contains(byte))
        })?;
        self.take(start + 1, start + 1 + end, label)?;
        self.at += 1;
        Some(())
    }

    fn bracketed(&mut self, start: usize) -> Option<()> {
        let text = self.rest(start + 1);
        let end = memchr::memchr(b']', text)?;
        let inner = text.get(..end)?;
        let word = inner
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-')
            .count();
        let labelled =
            word > 1 && inner.get(word) == Some(&b' ') && value::time_field(inner).is_none();
        let skipped = if labelled { word + 1 } else { 0 };
        let label = if labelled { inner.get(..word)? } else { b"" };
        self.take(start + 1 + skipped, start + 1 + end, label)?;
        self.at += 1;
        Some(())
    }

    fn bare(&mut self, start: usize) -> Option<()> {
        let text = self.rest(start);
        let mut word = word(text);
        let mut from = 0;
        let mut name: &[u8] = b"";
        let ends_with_colon = label(text.get(..word)?, b":").filter(|end| end + 1 == word);
        if let Some(end) = ends_with_colon.filter(|_| text.get(word) == Some(&b' ')) {
            // `status: 200`
            (name, from) = (text.get(..end)?, word + 1);
            word = from + self::word(text.get(from..)?);
            if text.get(from) == Some(&b'"') {
                return self.quoted(start + from, name);
            }
            if from == word || text.get(from) == Some(&b'[') {
                (name, from, word) = (b"", 0, end + 1);
            }
        }
        if let Some(end) = label(text.get(from..word)?, b"=").filter(|_| from == 0) {
            (name, from) = (text.get(..end)?, end + 1);
            if text.get(from) == Some(&b'"') {
                return self.quoted(start + from, name);
            }
        }
        let mut end = word;
        // A time of two words, and lists of attempts or forwarders, are one value.
        loop {
            let rest = text.get(end..)?;
            let value = text.get(from..end)?;
            let next = if value.ends_with(b",") && rest.starts_with(b" ") {
                1
            } else if rest.starts_with(b" : ") {
                3
            } else if rest.starts_with(b" ") && two_words_are_a_time(value, rest.get(1..)?) {
                1
            } else {
                break;
            };
            let more = self::word(rest.get(next..)?);
            if more == 0 || rest.get(next).is_some_and(|byte| b"\"[".contains(byte)) {
                break;
            }
            end += next + more;
        }
        let value = text.get(from..end)?;
        let trailing =
            usize::from(value.ends_with(b",") || value.ends_with(b";") && value.len() > 1);
        self.take(start + from, start + end - trailing, name)
    }
}

/// The byte that separates the values of a line, if spaces do not.
fn separator(line: &[u8]) -> Option<u8> {
    let cells = |byte: u8| memchr::memchr_iter(byte, line).count() + 1;
    let spaces = memchr::memchr_iter(b' ', line).count();
    let first = line.get(..word(line)).unwrap_or_default();
    // In a list of addresses or a client's name a space follows.
    let begins = |byte: u8| memchr::memchr(byte, first).is_some_and(|at| at + 1 < first.len());
    let separates = |byte: &u8| match byte {
        b'\t' => true,
        b'|' => spaces < 2 * cells(b'|'),
        _ => begins(*byte),
    };
    let mut all = [b'\t', b'|', b';', b','].into_iter();
    all.find(|byte| cells(*byte) >= LEAST_CELLS && separates(byte))
}

fn word(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| b" \t|".contains(byte))
        .unwrap_or(text.len())
}

fn two_words_are_a_time(first: &[u8], rest: &[u8]) -> bool {
    let second = rest.get(..word(rest)).unwrap_or_default();
    let whole = [first, b" ", second].concat();
    first.len() >= 10 && first.len() <= 20 && value::time_field(&whole).is_some()
}

/// The length of a label at the start of a value, which one of `signs` follows.
fn label(text: &[u8], signs: &[u8]) -> Option<usize> {
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.@$".contains(byte);
    let end = text.iter().take(64).take_while(|byte| named(byte)).count();
    let begins = text
        .first()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || b"_@$".contains(byte));
    (begins && text.get(end).is_some_and(|byte| signs.contains(byte))).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<String> {
        let tokens = Tokens::of(line.as_bytes()).expect("tokens");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        tokens
            .values
            .iter()
            .map(|token| text(token.value))
            .collect()
    }

    #[test]
    fn values_are_cut_where_a_person_would() {
        for (line, expected) in [
            (
                r#"10.0.0.2, 10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /a b HTTP/1.1" 200 "#,
                &[
                    "10.0.0.2, 10.0.0.1",
                    "-",
                    "-",
                    "22/Nov/2026:10:00:00 +0000",
                    "GET /a b HTTP/1.1",
                    "200",
                ][..],
            ),
            (
                r#"rt=0.1 us="502, 200" [Client 192.0.2.1] [a]"#,
                &["0.1", "502, 200", "192.0.2.1", "a"],
            ),
            (
                r#"| status: 200 | a: "b c" | x: [d]"#,
                &["200", "b c", "x:", "d"],
            ),
            ("502 : 200 a.test, 404", &["502 : 200", "a.test, 404"]),
            (
                "22/Nov/2026:10:00:00 +0000 2026-11-22 10:00:00 x",
                &["22/Nov/2026:10:00:00 +0000", "2026-11-22 10:00:00", "x"],
            ),
            (
                "status:200\treq:GET / HTTP/1.1\thost:::1\tx:",
                &["200", "GET / HTTP/1.1", "::1", ""],
            ),
            (r#"a|"b c"|[d]|200"#, &["a", "b c", "d", "200"]),
            ("", &[]),
        ] {
            assert_eq!(values(line), expected, "{line}");
        }
    }

    #[test]
    fn no_line_is_too_odd() {
        for line in [
            &b"\""[..],
            b"[",
            b"a=\"",
            b"=",
            b",",
            b", , ,",
            b"[a",
            b"\t\t\t\t",
            b"|||||",
            b"a, ",
        ] {
            let _ = Tokens::of(line);
        }
        assert_eq!(Tokens::of(&b"x ".repeat(MOST + 1)), None);
    }
}

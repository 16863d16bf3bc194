//! The format of a log of which no configuration is at hand, guessed from its lines.
//!
//! Lines are cut into values, each with its label if it has one ([`tokens`], [`object`]). What the
//! values at one place of several lines look like, and what they are called, tells which variable
//! that is ([`columns`], [`names`], [`value`]). The rest is text that all lines share, and so a format
//! is compiled as if a configuration had said it.

mod columns;
mod keys;
mod names;
mod object;
mod text;
mod tokens;
mod value;

pub use keys::Keys;
pub use object::{objects, strings};
pub use text::texts;

use super::{
    Field, Format,
    field::{FORWARDED, LOOSE, OTHERS},
    format::Escape,
    template::Piece,
};

/// Lines that are looked at.
const SAMPLE: usize = 100;
/// Longer lines are not looked at, in bytes.
const MOST_LINE: usize = 64 * 1024;

/// A format that was guessed.
#[derive(Debug, Clone)]
pub struct Guess {
    /// What reads its lines.
    pub format: Format,
    /// The format for people: `…` is what is not known.
    pub shown: String,
    /// What reads lines that are JSON objects and have other keys, or the same in another order.
    pub keys: Option<Keys>,
}

/// A value that the format of a line has in its place.
struct Part<'a> {
    before: &'a [u8],
    field: Option<Field>,
    /// Whether all values that were seen are written as nginx writes the variable.
    strict: bool,
}

/// The format of these parts, and the same for people.
fn compiled(parts: &[Part<'_>], after: &[u8], escape: Escape) -> (Format, String) {
    let names: Vec<Vec<u8>> = parts
        .iter()
        .map(|part| match part.field {
            Some(field) if part.strict => field.variable().into(),
            Some(field) => {
                let mark = match field {
                    Field::RemoteAddr if escape == Escape::Default => FORWARDED,
                    Field::TimeIso8601 => OTHERS,
                    _ => LOOSE,
                };
                [&[mark], field.variable().as_bytes()].concat()
            }
            None => b"unknown".to_vec(),
        })
        .collect();
    let mut pieces = Vec::new();
    let mut shown = String::new();
    for (part, name) in parts.iter().zip(&names) {
        if !part.before.is_empty() {
            pieces.push(Piece::Literal(part.before.to_vec()));
        }
        pieces.push(Piece::Variable(name));
        shown.push_str(&String::from_utf8_lossy(part.before));
        match part.field {
            Some(field) => shown.extend(["$", field.variable()]),
            None => shown.push('…'),
        }
    }
    if !after.is_empty() {
        pieces.push(Piece::Literal(after.to_vec()));
    }
    shown.push_str(&String::from_utf8_lossy(after));
    (Format::of_pieces(&pieces, escape), shown)
}

/// Whether nginx would write all these values for this variable.
fn is_strict(field: Field, values: &[&[u8]], escape: Escape) -> bool {
    let name = [b"$", field.variable().as_bytes()].concat();
    Format::compile(&name, escape).is_ok_and(|format| {
        let mut entry = super::Entry::default();
        values.iter().all(|value| format.parse(value, &mut entry))
    })
}

#[cfg(test)]
mod tests;

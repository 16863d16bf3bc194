//! Incidents for a program: records as they are in the journal.

use std::{fmt::Write as _, io::Write};

use anyhow::Context as _;

use super::{files::Files, line::State, listing::Stands, one::Whole};
use crate::sinks::{journal::Writer, printable::printable};

/// Writes an incident's latest record as one JSON object, with two members more: `left_open`, and
/// `records`, in which its other records and those of that nginx stand as in the journal.
///
/// # Errors
/// When a record cannot be read again, or `out` cannot be written.
pub(super) fn object(
    out: &mut impl Write,
    files: &Files,
    whole: &Whole,
    writer: Writer,
) -> anyhow::Result<()> {
    let latest = line(&files.line(whole.latest.place)?);
    let open_end = latest.trim_end().strip_suffix('}').unwrap_or(&latest);
    let left_open = whole.latest.stands(writer) == Stands::LeftOpen;
    let omitted = whole.records.omitted + whole.responses.omitted;
    let first = whole.first.as_ref();
    let mut places: Vec<_> = first
        .filter(|first| first.place != whole.latest.place && first.state == State::Opened)
        .map(|first| first.place)
        .into_iter()
        .chain(whole.records.places())
        .chain(whole.responses.places())
        .collect();
    places.sort_unstable();
    let written = "cannot write to standard output";
    write!(
        out,
        "{open_end},\"left_open\":{left_open},\"updates\":{},\"records_omitted\":{omitted},\"records\":[",
        whole.updates
    )
    .context(written)?;
    for (n, place) in places.into_iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let line = line(&files.line(place)?);
        write!(out, "{comma}{line}").context(written)?;
    }
    writeln!(out, "]}}").context(written)
}

/// A line of JSON in which nothing steers a terminal: what could stands in strings alone, where an
/// escape means the same.
pub(super) fn line(line: &[u8]) -> String {
    let mut out = String::new();
    for c in String::from_utf8_lossy(line).chars() {
        match c {
            // White space between members.
            '\t' | '\r' => out.push(' '),
            c if printable(c).len() > c.len_utf8() => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    // A string takes every write.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_change_nothing_but_the_looks() {
        let text = "{\t\"a\" :\r\"é \\u001b \u{9b}\u{7f}\u{202e} → 日\"}";
        let shown = line(text.as_bytes());
        assert!(shown.contains("\\u009b\\u007f\\u202e → 日"), "{shown}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&shown), read(text));
    }
}

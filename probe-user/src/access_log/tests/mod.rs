//! Formats and lines together.

mod any;
mod combined;
mod formats;
mod hostile;
mod lists;

use super::*;

fn compile(text: &str, escape: Escape) -> Format {
    Format::compile(text.as_bytes(), escape).unwrap()
}

/// The value of each field that the format has, in the order of [`Field::ALL`].
fn values<'a>(format: &Format, line: &'a [u8]) -> Option<Vec<(Field, &'a [u8])>> {
    let mut entry = Entry::default();
    format.parse(line, &mut entry).then(|| {
        let given = Field::ALL.into_iter().filter(|field| format.gives(*field));
        given
            .map(|field| (field, entry.get(field).unwrap()))
            .collect()
    })
}

fn value<'a>(format: &Format, line: &'a str, field: Field) -> Option<&'a str> {
    let mut entry = Entry::default();
    format
        .parse(line.as_bytes(), &mut entry)
        .then(|| std::str::from_utf8(entry.get(field).unwrap()).unwrap())
}

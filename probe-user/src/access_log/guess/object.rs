//! Formats of JSON objects with any keys and any nesting.

use std::collections::HashMap;

use super::{
    Guess, Keys, MOST_LINE, Part, SAMPLE,
    columns::{Assigned, Column},
    compiled, is_strict,
    names::Label,
};
use crate::access_log::{Entry, Escape, Field, Format};

/// Deeper objects are not looked at.
const MOST_DEPTH: usize = 16;
/// Keys of all lines that are looked at.
const MOST_KEYS: usize = 512;
/// What stands between the keys of a path: no key holds it unescaped.
const SEPARATOR: u8 = 0;
/// Lines that may show what the text between the values is.
const EXAMPLES: usize = 8;

/// The format of lines that are JSON objects, at least half of those that are given, with a status
/// in them.
#[must_use]
pub fn objects<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Guess> {
    let lines = lines.into_iter().filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.take(SAMPLE).collect();
    let (names, columns, objects) = columns_of(&lines);
    if objects.is_empty() || objects.len() * 2 < lines.len() {
        return None;
    }
    let assigned = Assigned::of(&columns);
    if !assigned.has(Field::Status) {
        return None;
    }
    let fields = names.iter().zip(&assigned.0);
    let keys = Keys::of(fields.filter_map(|(name, field)| Some((name.clone(), (*field)?))));
    let mut entry = Entry::default();
    let read = objects
        .iter()
        .filter(|line| keys.parse(line, &mut entry))
        .count();
    if read * 2 < objects.len() {
        return None;
    }
    let escape = escape_of(&columns, &assigned);
    let strict: HashMap<&[u8], (Field, bool)> = names
        .iter()
        .zip(&columns)
        .zip(&assigned.0)
        .filter_map(|((name, column), field)| {
            let field = (*field)?;
            Some((&**name, (field, is_strict(field, &column.values, escape))))
        })
        .collect();
    let mut best: Option<(usize, Format)> = None;
    for example in objects.iter().take(EXAMPLES) {
        let Some(format) = example_format(example, &strict, escape) else {
            continue;
        };
        let fit = objects
            .iter()
            .filter(|line| format.parse(line, &mut entry))
            .count();
        if best.as_ref().is_none_or(|(most, _)| fit > *most) {
            best = Some((fit, format));
        }
    }
    let shown = shown(&names, &assigned);
    Some(Guess {
        format: best?.1,
        shown,
        keys: Some(keys),
    })
}

/// How values are escaped: only one mode writes `-` for an upstream that was not there. A client may
/// send a `-` in any.
fn escape_of(columns: &[Column<'_>], assigned: &Assigned) -> Escape {
    let all = columns.iter().zip(&assigned.0);
    let of_upstream = |(column, field): (_, &Option<Field>)| {
        let upstream = field.is_some_and(|field| field.variable().starts_with("upstream_"));
        upstream.then_some(column)
    };
    let upstream: Vec<&Column<'_>> = all.filter_map(of_upstream).collect();
    let is = |text: &[u8], columns: &[&Column<'_>]| {
        columns.iter().any(|column| column.values.contains(&text))
    };
    let any: Vec<_> = columns.iter().collect();
    if !is(b"", &upstream) && (is(b"-", &upstream) || is(b"-", &any)) {
        Escape::Default
    } else {
        Escape::Json
    }
}

type Columns<'a> = (Vec<Box<[u8]>>, Vec<Column<'a>>, Vec<&'a [u8]>);

/// The paths of all keys in the order in which they come, their values, and the lines that are
/// objects.
fn columns_of<'a>(lines: &[&'a [u8]]) -> Columns<'a> {
    let mut places: HashMap<Box<[u8]>, usize> = HashMap::new();
    let mut names: Vec<Box<[u8]>> = Vec::new();
    let mut columns: Vec<Column<'a>> = Vec::new();
    let mut objects = Vec::new();
    for line in lines.iter().filter(|line| line.len() <= MOST_LINE) {
        // Only of whole objects anything is kept.
        let mut found: Vec<(Box<[u8]>, usize, usize)> = Vec::new();
        let whole = walk(line, |path, start, end| {
            if found.len() < MOST_KEYS {
                found.push((path.into(), start, end));
            }
        });
        if whole.is_none() {
            continue;
        }
        objects.push(*line);
        for (path, start, end) in found {
            let value = line.get(start..end).unwrap_or_default();
            let place = match places.get(&path) {
                Some(place) => *place,
                None if columns.len() < MOST_KEYS => {
                    let label = Label::of(&path);
                    columns.push(Column {
                        label,
                        values: Vec::new(),
                    });
                    names.push(path.clone());
                    places.insert(path, columns.len() - 1);
                    columns.len() - 1
                }
                None => continue,
            };
            if let Some(column) = columns.get_mut(place) {
                column.values.push(value);
            }
        }
    }
    (names, columns, objects)
}

/// The text of a line with variables in place of the values.
fn example_format(
    line: &[u8],
    fields: &HashMap<&[u8], (Field, bool)>,
    escape: Escape,
) -> Option<Format> {
    let mut parts = Vec::new();
    let mut begun = 0;
    let mut used = Vec::new();
    walk(line, |path, start, end| {
        let known = fields.get(path).filter(|(field, _)| !used.contains(field));
        let value = line.get(start..end).unwrap_or_default();
        used.extend(known.map(|(field, _)| *field));
        if known.is_none() && value == b"null" {
            return;
        }
        parts.push(Part {
            before: line.get(begun..start).unwrap_or_default(),
            field: known.map(|(field, _)| *field),
            strict: known.is_some_and(|(_, strict)| *strict),
        });
        begun = end;
    })?;
    let after = line.get(begun..)?;
    let format = compiled(&parts, after, escape).0;
    format.gives(Field::Status).then_some(format)
}

fn shown(names: &[Box<[u8]>], assigned: &Assigned) -> String {
    let one = |(name, field): (&[u8], &Option<Field>)| {
        let name = String::from_utf8_lossy(name).replace(char::from(SEPARATOR), ".");
        Some(format!("\"{name}\":${}", field.as_ref()?.variable()))
    };
    let all: Vec<_> = names
        .iter()
        .map(|name| &**name)
        .zip(&assigned.0)
        .filter_map(one)
        .collect();
    format!("{{{}}}", all.join(","))
}

/// Gives `each` the path of keys and the place of every value that is no object and no list, in the
/// order of the line; those of a list have the path of the list. The quotes of a text are not a part
/// of it. None when the line is not one whole object.
pub(super) fn walk(line: &[u8], mut each: impl FnMut(&[u8], usize, usize)) -> Option<()> {
    let mut path: Vec<u8> = Vec::new();
    // For each object or list that is open, where its path ends, and whether it is a list.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut at = line
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    if line.get(at) != Some(&b'{') {
        return None;
    }
    let mut after_colon = false;
    loop {
        let byte = *line.get(at)?;
        match byte {
            b'{' | b'[' => {
                if open.len() >= MOST_DEPTH {
                    return None;
                }
                open.push((path.len(), byte == b'['));
                after_colon = false;
            }
            b'}' | b']' => {
                let (length, _) = open.pop().filter(|(_, list)| *list == (byte == b']'))?;
                path.truncate(length);
                at += 1;
                match open.last() {
                    None => break,
                    Some((length, false)) => path.truncate(*length),
                    Some(_) => {}
                }
                continue;
            }
            b':' => after_colon = true,
            b',' => {
                after_colon = false;
                if let Some((length, false)) = open.last() {
                    path.truncate(*length);
                }
            }
            b'"' => {
                let end = at + 1 + closing_quote(line.get(at + 1..)?)?;
                let in_list = open.last()?.1;
                if after_colon || in_list {
                    each(&path, at + 1, end);
                    after_colon = false;
                } else {
                    path.truncate(open.last()?.0);
                    if !path.is_empty() {
                        path.push(SEPARATOR);
                    }
                    path.extend_from_slice(line.get(at + 1..end)?);
                }
                at = end + 1;
                continue;
            }
            b' ' | b'\t' | b'\r' => {}
            _ => {
                let in_list = open.last()?.1;
                if !after_colon && !in_list {
                    return None;
                }
                let rest = line.get(at..)?;
                let end = rest.iter().position(|byte| b",}] \t\r".contains(byte))?;
                each(&path, at, at + end);
                after_colon = false;
                at += end;
                continue;
            }
        }
        at += 1;
    }
    // A comma behind an object is what an array of them leaves.
    let rest = line.get(at..)?.trim_ascii();
    (rest.is_empty() || rest == b",").then_some(())
}

/// Gives `each` the path of keys and the text of every value in quotes, as it stands in the line. None
/// when the line is not one whole object.
pub fn strings(line: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Option<()> {
    walk(line, |path, start, end| {
        let before = start.checked_sub(1).and_then(|at| line.get(at));
        if before == Some(&b'"') && line.get(end) == Some(&b'"') {
            each(path, line.get(start..end).unwrap_or_default());
        }
    })
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?,
        }
    }
}

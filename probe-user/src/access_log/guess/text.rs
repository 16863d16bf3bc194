//! Formats of plain text: near-combined ones, labelled values, LTSV.

use super::{
    Guess, MOST_LINE, Part, SAMPLE,
    columns::{Assigned, Column},
    compiled, is_strict,
    tokens::Tokens,
};
use crate::access_log::{Entry, Escape, Field, Format};

/// The format that most of those lines are in that look alike, when they look like requests: they
/// have a status, and a time or what was asked for. `least` lines have to be so.
#[must_use]
pub fn texts<'a>(lines: impl IntoIterator<Item = &'a [u8]>, least: usize) -> Option<Guess> {
    let lines = lines
        .into_iter()
        .filter(|line| !line.is_empty() && line.len() <= MOST_LINE);
    let lines: Vec<_> = lines.take(SAMPLE).filter_map(Tokens::of).collect();
    let like = |one: &Tokens<'_>| lines.iter().filter(|other| one.is_like(other)).count();
    let mut groups: Vec<(&Tokens<'_>, usize)> = Vec::new();
    for line in &lines {
        if !groups.iter().any(|(known, _)| known.is_like(line)) {
            groups.push((line, like(line)));
        }
    }
    // Of equals the first.
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut groups = groups
        .into_iter()
        .filter(|(_, count)| *count >= least)
        .take(4);
    groups.find_map(|(one, _)| of_group(one, &lines))
}

fn of_group(one: &Tokens<'_>, lines: &[Tokens<'_>]) -> Option<Guess> {
    let group: Vec<_> = lines.iter().filter(|line| one.is_like(line)).collect();
    let values = |at: usize| {
        group
            .iter()
            .filter_map(move |line| Some(line.values.get(at)?.value))
    };
    let columns: Vec<Column<'_>> = one
        .values
        .iter()
        .enumerate()
        .map(|(at, token)| Column {
            label: token.label.clone(),
            values: values(at).collect(),
        })
        .collect();
    let assigned = Assigned::of(&columns);
    let labelled = columns
        .iter()
        .filter(|column| !column.label.is_empty())
        .count();
    let enough = if labelled * 2 > columns.len() {
        assigned.has_time() || assigned.has_request()
    } else {
        assigned.has_time() && assigned.has_request()
    };
    if !assigned.has(Field::Status) || !enough {
        return None;
    }
    let parts: Vec<_> = one
        .values
        .iter()
        .zip(&columns)
        .zip(&assigned.0)
        .map(|((token, column), field)| Part {
            before: token.before,
            field: *field,
            strict: field.is_some_and(|field| is_strict(field, &column.values, Escape::Default)),
        })
        .collect();
    let (format, shown) = compiled(&parts, one.after, Escape::Default);
    // What was cut by hand and what the format reads have to be the same.
    let fits = group
        .iter()
        .filter(|line| reads_the_same(&format, line, &assigned))
        .count();
    (fits * 4 >= group.len() * 3).then_some(Guess {
        format,
        shown,
        keys: None,
    })
}

/// Whether a format finds in a line what was seen in it.
fn reads_the_same(format: &Format, line: &Tokens<'_>, assigned: &Assigned) -> bool {
    let mut entry = Entry::default();
    if !format.parse(line.line, &mut entry) {
        return false;
    }
    let mut values = line.values.iter().zip(&assigned.0);
    values.all(|(token, field)| field.is_none_or(|field| entry.get(field) == Some(token.value)))
}

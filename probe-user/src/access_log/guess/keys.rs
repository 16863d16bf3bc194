//! Which keys of JSON objects hold which variables, and lines read by them.

use std::collections::HashMap;

use super::{object::walk, value};
use crate::access_log::{Entry, Escape, Field};

/// The fields of a log's objects by the path of their keys.
///
/// What the keys of an object are and how it is nested is known; their order and their spaces are
/// not, and each of them may be missing.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    fields: HashMap<Box<[u8]>, Field>,
}

impl Keys {
    pub(super) fn of(fields: impl IntoIterator<Item = (Box<[u8]>, Field)>) -> Self {
        Self {
            fields: fields.into_iter().collect(),
        }
    }

    /// Whether lines may hold this field.
    #[must_use]
    pub fn gives(&self, field: Field) -> bool {
        self.fields.values().any(|known| *known == field)
    }

    /// Reads a line. Without a match what `entry` holds is undefined.
    #[must_use]
    pub fn parse<'line>(&self, line: &'line [u8], entry: &mut Entry<'line>) -> bool {
        entry.begin(line, 0, Escape::Json);
        for field in self.fields.values() {
            // A key that is not there says what an empty value does, but not of a time or an address.
            if is_of_upstream(*field) {
                entry.add(*field, 0, 0);
            }
        }
        let mut status = false;
        let whole = walk(line, |path, start, end| {
            let Some(field) = self.fields.get(path) else {
                return;
            };
            let text = line.get(start..end).unwrap_or_default();
            if value::is_missing(text) {
                if is_of_upstream(*field) {
                    entry.add(*field, 0, 0);
                }
                return;
            }
            if *field == Field::Status {
                if text.len() != 3 || !text.iter().all(u8::is_ascii_digit) {
                    return;
                }
                status = true;
            }
            entry.add(*field, start, end);
        });
        whole.is_some() && status
    }
}

fn is_of_upstream(field: Field) -> bool {
    field.variable().starts_with("upstream_")
}

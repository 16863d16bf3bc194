//! Lists of upstreams that stand before text which their elements may hold themselves, such as
//! `$upstream_addr-$upstream_status` or `${upstream_addr}ms`.
//!
//! Every place where the list may end is tried. One at which all fits is the end; with two of them
//! nobody can tell which nginx meant, and the line is not read.

use super::entry::Entry;
use super::format::{Escape, Format, Step};
use super::grammar::{Element, SEPARATORS, element_run};
use super::parse::{Found, work_on};

impl Format {
    /// The only end of the list that begins at `at`.
    pub(super) fn list(
        &self,
        element: Element,
        steps: (&Step, &[Step]),
        line: &[u8],
        at: usize,
        work: &mut usize,
        entry: &mut Entry<'_>,
    ) -> Option<Found> {
        let (step, behind) = steps;
        let most = work_on(line);
        let mut only = None;
        let mut from = at;
        // nginx writes nothing for a missing value, and nothing behind a redirect to no upstream.
        let mut may_be_empty = self.escape() != Escape::Default;
        loop {
            let last = from + element_run(line, from);
            let fits = |end: usize| {
                let text = line.get(from..end).unwrap_or_default();
                element.is_one(text) || (may_be_empty && text.is_empty())
            };
            for end in from..=last {
                if !step.literal.follows(line, end) {
                    continue;
                }
                *work += 1 + end - from;
                if *work >= most {
                    return None;
                }
                let next = end + step.literal.len();
                if fits(end) && self.ahead(behind, line, next, work, entry).is_some() {
                    if only.is_some() {
                        return None;
                    }
                    only = Some(end);
                }
            }
            *work += 1 + last - from;
            let rest = line.get(last..).unwrap_or_default();
            let separator = SEPARATORS
                .into_iter()
                .find(|separator| rest.starts_with(separator));
            match separator.filter(|_| fits(last) && *work < most) {
                Some(separator) => from = last + separator.len(),
                None => break,
            }
            may_be_empty = separator == Some(b" : ");
        }
        let end = only?;
        // Once more, since what was tried later has left its traces in the entry.
        let (steps, read_to) = self.ahead(behind, line, end + step.literal.len(), work, entry)?;
        Some(Found {
            end,
            steps,
            read_to,
        })
    }
}

//! The agent's journal, read as an operator's script would.

use std::fs;

use anyhow::{Context, Result};
use nginx_probe_tests::wait::{DEADLINE, until};
use serde_json::Value;

const PATH: &str = "/var/lib/nginx-probe/journal.jsonl";

/// A place in the journal: what comes after it is news.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

/// The journal's end.
pub(super) fn mark() -> Mark {
    Mark(records().map_or(0, |records| records.len()))
}

/// The records after a place.
pub(super) fn since(mark: Mark) -> Result<Vec<Value>> {
    let mut records = records()?;
    Ok(records.split_off(mark.0.min(records.len())))
}

/// Waits for a record after a place.
pub(super) fn wait(mark: Mark, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    until(what, DEADLINE, || {
        Ok(since(mark)?.into_iter().find(|record| wanted(record)))
    })
}

fn records() -> Result<Vec<Value>> {
    let text = fs::read_to_string(PATH).with_context(|| format!("reading {PATH}"))?;
    parse(&text)
}

/// Every whole line; the last may still be written.
fn parse(text: &str) -> Result<Vec<Value>> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("the journal's {line}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_still_written_is_none_yet() {
        let records = parse("{\"type\":\"reload\"}\n{\"type\":\"wor").unwrap();
        assert_eq!(records.len(), 1);
        assert!(parse("{broken\n").is_err());
    }
}

//! Reads an error log as it grows: every line has a class, and the classes that must come do.

use std::collections::BTreeSet;

use anyhow::Result;
use nginx_probe::error_log::{Level, Parsed, records};
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::golden;

/// An error log, and how far it was read.
pub struct Watch<'a> {
    nginx: &'a Nginx,
    read: usize,
    unknown: BTreeSet<String>,
    missing: Vec<String>,
    /// The classes that were read last.
    pub last: Vec<&'static str>,
}

impl<'a> Watch<'a> {
    pub fn new(nginx: &'a Nginx) -> Self {
        Self {
            nginx,
            read: 0,
            unknown: BTreeSet::new(),
            missing: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Waits for a line of each class behind what was read so far, and keeps one of each.
    pub fn expect(
        &mut self,
        what: &str,
        classes: &[&str],
        golden: &mut golden::Golden,
    ) -> Result<()> {
        let log = self.nginx.folder().join("error.log");
        let waited = until_true(&format!("{classes:?} because of {what}"), DEADLINE, || {
            let text = std::fs::read(&log)?;
            let seen = classes_of(text.get(self.read..).unwrap_or_default());
            Ok(classes.iter().all(|class| seen.contains(class)))
        });
        let text = std::fs::read(&log)?;
        let new = text.get(self.read..).unwrap_or_default();
        if let Err(error) = waited {
            let missing = format!("{error:#}; there is: {}", String::from_utf8_lossy(new));
            self.missing.push(missing);
        }
        for record in records(new) {
            let Some(line) = Parsed::of(record.bytes).line() else {
                self.unknown.insert(golden::escaped(record.bytes));
                continue;
            };
            if line.class.name == "other" {
                self.unknown.insert(golden::escaped(record.bytes));
            }
            assert!(
                line.client.is_none_or(|client| client == b"127.0.0.1"),
                "a forged client: {}",
                golden::escaped(record.bytes)
            );
            assert!(
                line.class.levels.contains(&line.level) || line.class.name == "other",
                "{line:?}"
            );
            golden.keep(line.class.name, record.bytes);
        }
        self.last = classes_of(new);
        self.read = text.len();
        Ok(())
    }

    pub fn finish(&self) -> Result<()> {
        anyhow::ensure!(self.unknown.is_empty(), "no class for {:#?}", self.unknown);
        anyhow::ensure!(self.missing.is_empty(), "{}", self.missing.join("\n"));
        Ok(())
    }
}

/// The class of each line, in order.
pub fn classes_of(text: &[u8]) -> Vec<&'static str> {
    records(text)
        .filter_map(|record| Parsed::of(record.bytes).line())
        .filter(|line| line.level != Level::Debug)
        .map(|line| line.class.name)
        .collect()
}

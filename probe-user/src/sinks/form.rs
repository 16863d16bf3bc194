//! How records are written: for a person or for a program.

use std::io::{self, IsTerminal as _};

use serde::Deserialize;

use super::console::text;
use crate::{facts::Instance, records::Record};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

impl Output {
    /// Text on a terminal, JSON elsewhere.
    #[must_use]
    pub fn for_stdout() -> Self {
        if io::stdout().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
    }
}

/// Records as text, one after the other.
#[derive(Debug)]
pub struct Form {
    output: Output,
    /// The first instance that was named, and whether there was another: the name is left out
    /// while there is only one.
    instance: Option<Instance>,
    several: bool,
}

impl Form {
    /// Writes so.
    #[must_use]
    pub const fn new(output: Output) -> Self {
        Self {
            output,
            instance: None,
            several: false,
        }
    }

    /// The next record, the last line with its newline; nothing for one that cannot be written,
    /// which is said in the log.
    pub fn write(&mut self, record: &Record) -> Option<String> {
        match self.output {
            Output::Json => match record.to_json_line() {
                Ok(line) => Some(line),
                Err(error) => {
                    log::error!("a record cannot be written as JSON: {error}");
                    None
                }
            },
            Output::Text => {
                let first = self.instance.get_or_insert_with(|| record.instance.clone());
                self.several |= *first != record.instance;
                Some(text(record, self.several))
            }
        }
    }
}

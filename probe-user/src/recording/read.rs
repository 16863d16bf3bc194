//! Reading a recording.

use std::io::{self, BufRead, Read as _};

use serde::Deserialize;

use super::{Header, MAX_LINE, VERSION};
use crate::{
    clock::Time,
    facts::{Event, Fact, Instance},
};

/// One thing that the correlator was given.
#[derive(Clone, Debug)]
pub enum Given {
    /// What a source saw.
    Fact(Box<Fact>),
    /// The time.
    Tick(Time),
    /// The agent's end.
    Finish(Time),
}

/// Why a recording cannot be read, or no further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is no recording of nginx-probe: {0}; `nginx-probe run --record FILE` makes one")]
    Foreign(String),
    /// A newer agent wrote it.
    #[error(
        "it is a recording of format {format}, made by nginx-probe {version}: this one ({}) reads \
         format {VERSION} and older; replay it with that version or a newer one",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// Its format.
        format: u64,
        /// Who made it.
        version: String,
    },
    /// A line is longer than any that an agent writes.
    #[error("line {line} is longer than {MAX_LINE} bytes, which no agent writes")]
    TooLong {
        /// Its number.
        line: u64,
    },
    /// A line is not what an agent writes.
    #[error("line {line} is malformed: {why}")]
    Malformed {
        /// Its number.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The last line is not whole.
    #[error("line {line}, the last, is torn: the recording was cut off there")]
    Torn {
        /// Its number.
        line: u64,
    },
}

/// Reads the lines of a recording.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

/// The part of a header that every version has.
#[derive(Deserialize)]
struct Begin {
    nginx_probe_recording: u64,
    #[serde(default)]
    version: String,
}

/// Any line but the first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    tick: Option<Time>,
    finish: Option<Time>,
    time: Option<Time>,
    instance: Option<Instance>,
    event: Option<Event>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When it is none that this version can read.
    pub fn new(input: R) -> Result<(Header, Self), ReadError> {
        let mut reader = Self {
            input,
            line: Vec::new(),
            number: 0,
        };
        let foreign = |why: &str| ReadError::Foreign(why.to_owned());
        match reader.read_line() {
            Ok(Some(_)) => {}
            Ok(None) => return Err(foreign("it is empty")),
            Err(ReadError::TooLong { .. }) => return Err(foreign("its first line is no header")),
            Err(error) => return Err(error),
        }
        let begin: Begin = serde_json::from_slice(&reader.line)
            .map_err(|_| foreign("its first line is no header"))?;
        let format = begin.nginx_probe_recording;
        if format > u64::from(VERSION) {
            let version = begin.version;
            return Err(ReadError::Newer { format, version });
        }
        let header: Header =
            serde_json::from_slice(&reader.line).map_err(|error| reader.malformed(&error))?;
        if header.quiet_s < 0.0 {
            let why = "quiet_s is below zero".to_owned();
            return Err(ReadError::Malformed { line: 1, why });
        }
        Ok((header, reader))
    }

    /// The next thing that the correlator was given; nothing at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or its next line is not what an agent writes. Nothing is to be
    /// read after that.
    pub fn next_given(&mut self) -> Result<Option<Given>, ReadError> {
        let Some(whole) = self.read_line()? else {
            return Ok(None);
        };
        let line = match serde_json::from_slice::<Line>(&self.line) {
            Ok(line) => line,
            Err(_) if !whole => return Err(ReadError::Torn { line: self.number }),
            Err(error) => return Err(self.malformed(&error)),
        };
        match line {
            Line {
                tick: None,
                finish: None,
                time: Some(time),
                instance: Some(instance),
                event: Some(event),
            } => Ok(Some(Given::Fact(Box::new(Fact {
                time,
                instance,
                event,
            })))),
            Line {
                tick: Some(time),
                finish: None,
                time: None,
                instance: None,
                event: None,
            } => Ok(Some(Given::Tick(time))),
            Line {
                tick: None,
                finish: Some(time),
                time: None,
                instance: None,
                event: None,
            } => Ok(Some(Given::Finish(time))),
            _ => Err(ReadError::Malformed {
                line: self.number,
                why: "it is no fact, no tick and no finish".to_owned(),
            }),
        }
    }

    /// The number of the line that was read last.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Reads a line; whether it has its end, or nothing after the last.
    fn read_line(&mut self) -> Result<Option<bool>, ReadError> {
        self.line.clear();
        // One byte more than may be, so that a longer line shows.
        let most = u64::try_from(MAX_LINE + 1).unwrap_or(u64::MAX);
        let mut part = self.input.by_ref().take(most);
        if part.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let whole = self.line.pop_if(|last| *last == b'\n').is_some();
        if !whole && self.line.len() > MAX_LINE {
            return Err(ReadError::TooLong { line: self.number });
        }
        Ok(Some(whole))
    }

    fn malformed(&self, error: &serde_json::Error) -> ReadError {
        let text = error.to_string();
        // It has seen one line only and calls that the first.
        let why = text.rsplit_once(" at line ").map_or(&*text, |(why, _)| why);
        ReadError::Malformed {
            line: self.number,
            why: format!("{why} (column {})", error.column()),
        }
    }
}

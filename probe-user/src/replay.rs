//! `nginx-probe replay`: a recording, given to a correlator once more.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;

use crate::{
    clock::Time,
    correlator::{Correlator, State},
    options::ReplayOptions,
    recording::{Given, ReadError, Reader},
    records::{Body, Record},
    sinks::{form::Form, form::Output, printable::printable},
};

/// Bytes that are read and written at once.
const BLOCK: usize = 128 * 1024;

/// Reads a recording and writes the records that the agent wrote.
///
/// # Errors
/// When it cannot be read, is none, or has a line that is none of a recording.
pub fn run(options: &ReplayOptions) -> anyhow::Result<()> {
    let path = &options.file;
    let standard = path == Path::new("-");
    let name = if standard {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let output = options.output.unwrap_or_else(Output::for_stdout);
    let out = BufWriter::with_capacity(BLOCK, io::stdout().lock());
    let result = if standard {
        replay(io::stdin().lock(), out, output, &name)
    } else {
        File::open(path).map_err(Into::into).and_then(|file| {
            let input = BufReader::with_capacity(BLOCK, file);
            replay(input, out, output, &name)
        })
    };
    result.with_context(|| format!("cannot replay {name}"))
}

/// Reads a recording, called `name` in warnings, and writes its records.
///
/// # Errors
/// When it cannot be read or is none. What came before is written.
pub fn replay(
    input: impl BufRead,
    out: impl Write,
    output: Output,
    name: &str,
) -> anyhow::Result<()> {
    let mut out = Out {
        form: Form::new(output),
        to: out,
        gone: false,
    };
    let (header, mut reader) = Reader::new(input)?;
    let mut correlator = header.correlator();
    let mut seen = Seen::default();
    let result = loop {
        if out.gone {
            return Ok(());
        }
        let given = match reader.next_given() {
            Ok(Some(given)) => given,
            Ok(None) => break Ok(()),
            Err(error @ ReadError::Torn { .. }) => {
                log::warn!("{name}: {error}");
                break Ok(());
            }
            Err(error) => break Err(error),
        };
        seen.given(&given);
        let records = match given {
            Given::Fact(fact) => correlator.fact(*fact),
            Given::Tick(now) => correlator.tick(now),
            Given::Finish(now) => correlator.finish(now),
        };
        seen.failures(&mut correlator);
        for record in &records {
            seen.record(record);
            out.write(record)?;
        }
    };
    if output == Output::Text && result.is_ok() {
        out.put(&seen.summary(&header.version, &header.host))?;
    }
    out.flush()?;
    result.map_err(Into::into)
}

/// Where records go.
struct Out<W> {
    form: Form,
    to: W,
    /// Nobody reads any more.
    gone: bool,
}

impl<W: Write> Out<W> {
    fn write(&mut self, record: &Record) -> anyhow::Result<()> {
        match self.form.write(record) {
            Some(text) => self.put(&text),
            None => Ok(()),
        }
    }

    fn put(&mut self, text: &str) -> anyhow::Result<()> {
        let result = self.to.write_all(text.as_bytes());
        self.outcome(result)
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let result = self.to.flush();
        self.outcome(result)
    }

    /// Who reads through `head` has what he wants.
    fn outcome(&mut self, result: io::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            result => result.context("cannot write to standard output"),
        }
    }
}

/// What was in a recording.
#[derive(Default)]
struct Seen {
    facts: u64,
    first: Option<Time>,
    last: Option<Time>,
    finished: bool,
    incidents: u64,
    failures: BTreeMap<&'static str, u64>,
}

impl Seen {
    fn given(&mut self, given: &Given) {
        let time = match given {
            Given::Fact(fact) => {
                self.facts += 1;
                fact.time
            }
            Given::Tick(now) => *now,
            Given::Finish(now) => {
                self.finished = true;
                *now
            }
        };
        self.first = self.first.or(Some(time));
        self.last = self.last.max(Some(time));
    }

    fn failures(&mut self, correlator: &mut Correlator) {
        for failed in correlator.take_failures() {
            let count = self.failures.entry(failed.cause.as_str()).or_default();
            *count = count.saturating_add(failed.count);
        }
    }

    fn record(&mut self, record: &Record) {
        if let Body::Incident(incident) = &record.body
            && incident.state == State::Opened
        {
            self.incidents += 1;
        }
    }

    /// What a person wants to know at the end.
    fn summary(&self, version: &str, host: &str) -> String {
        let mut text = format!(
            "\n{} facts of {} by nginx-probe {}",
            self.facts,
            printable(host),
            printable(version)
        );
        // Writing to a String cannot fail.
        if let (Some(first), Some(last)) = (self.first, self.last) {
            let _ = write!(text, ", {first} to {last}");
        }
        let _ = write!(text, ": {} incidents", self.incidents);
        let mut causes: Vec<_> = self.failures.iter().collect();
        causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let causes: Vec<_> = causes
            .iter()
            .map(|(cause, count)| format!("{cause} {count}"))
            .collect();
        if causes.is_empty() {
            text.push_str(", no failed responses\n");
        } else {
            let _ = writeln!(text, ", failed responses: {}", causes.join(", "));
        }
        if !self.finished {
            text.push_str("the recording ends before the agent did\n");
        }
        text
    }
}

#[cfg(test)]
mod tests;

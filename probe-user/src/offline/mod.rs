//! `nginx-probe logs`: classifies the failures in log files, offline and without privileges.
//!
//! Nothing here touches the kernel or nginx. Each input is opened and told apart ([`input`],
//! [`formats`]), its lines are fed to one counter in each thread ([`feed`], [`tally`], [`errors`]),
//! and what all of them counted becomes one [`report`].

mod bar;
pub mod errors;
pub mod feed;
pub mod formats;
pub mod input;
mod json;
pub mod minutes;
pub mod report;
mod route;
pub mod spread;
pub mod tally;
mod text;
pub mod top;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    thread,
};

use anyhow::{Context as _, bail};

use self::{
    bar::Bar,
    errors::Errors,
    feed::feed,
    formats::Chosen,
    input::{Input, InputError, each_once},
    report::{Access, ErrorMessages, InputRead, Problem, Report},
    tally::Tally,
};
use crate::{clock::Time, options::LogsOptions, sinks::console::Output};

/// More threads than these wait for memory and for the disk.
const MOST_THREADS: usize = 4;

/// `nginx-probe logs`.
///
/// # Errors
/// When nothing could be read, `--format` is not right, or standard output cannot be written.
pub fn run(options: &LogsOptions) -> anyhow::Result<()> {
    let paths = paths(options)?;
    let given = options.format.as_deref().map(formats::given).transpose()?;
    let mut reading = Reading::new(options.threads, given);
    {
        let total = paths.iter().map(|(path, _)| size(path)).sum();
        let _bar = Bar::start(total, &reading.read);
        for (path, errors) in &paths {
            reading.one(path, *errors);
        }
    }
    for problem in &reading.problems {
        log::warn!("{}", problem.message);
    }
    if reading.inputs.is_empty() {
        bail!("nothing could be read");
    }
    let report = reading.report();
    let text = match options.output {
        Output::Text => text::text(&report),
        Output::Json => serde_json::to_string(&report).context("writing JSON")? + "\n",
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads through `head` has what he wants.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the report to standard output"),
    }
}

/// Each input once, and whether it is said to be an error log.
fn paths(options: &LogsOptions) -> anyhow::Result<Vec<(PathBuf, bool)>> {
    let mut files = options.files.clone();
    if files.is_empty() && options.error_log.is_empty() {
        if io::stdin().is_terminal() {
            bail!(
                "name the log files to read, or pipe one in: nginx-probe logs access.log error.log"
            );
        }
        files.push("-".into());
    }
    let errors = each_once(&options.error_log);
    let files = each_once(&files).into_iter().map(|path| (path, false));
    let mut all: Vec<_> = files.filter(|(path, _)| !errors.contains(path)).collect();
    all.extend(errors.into_iter().map(|path| (path, true)));
    Ok(all)
}

/// The size of a file, compressed if it is; none for what has none.
fn size(path: &Path) -> Option<u64> {
    if path == Path::new("-") {
        return None;
    }
    // What is missing is not read, and so counts nothing.
    fs::metadata(path).map_or(Some(0), |found| found.is_file().then_some(found.len()))
}

/// What was read so far.
struct Reading {
    threads: usize,
    given: Option<Chosen>,
    read: Arc<AtomicU64>,
    formats: Vec<Chosen>,
    tallies: Vec<Tally>,
    errors: Vec<Errors>,
    inputs: Vec<InputRead>,
    problems: Vec<Problem>,
}

impl Reading {
    fn new(threads: Option<usize>, given: Option<Chosen>) -> Self {
        let here = || thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: threads.unwrap_or_else(here).clamp(1, MOST_THREADS),
            given,
            read: Arc::default(),
            formats: Vec::new(),
            tallies: Vec::new(),
            errors: Vec::new(),
            inputs: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn one(&mut self, path: &Path, errors: bool) {
        let input = match Input::open(path, &self.read) {
            Ok(input) => input,
            Err(error) => {
                let name = path.display().to_string();
                return self.problem(name, error.to_string());
            }
        };
        if errors || errors::are_errors(formats::whole_lines(&input.head)) {
            return self.error_log(input);
        }
        let format = self.given.clone();
        let Some(format) = format.or_else(|| formats::detected(&input.head)) else {
            let name = input.name;
            let message = format!(
                "{name} is in no format that is known here: give its log_format from nginx.conf, \
                 as in --format '$remote_addr … $status …'"
            );
            return self.problem(name, message);
        };
        self.access_log(input, format);
    }

    fn access_log(&mut self, input: Input, chosen: Chosen) {
        for tally in &mut self.tallies {
            tally.begin(&chosen.format);
        }
        let new = || Tally::new(&chosen.format);
        self.tallies.resize_with(self.threads, new);
        let before = access_counts(&self.tallies);
        let result = feed(input.source, &mut self.tallies, &self.read);
        let after = access_counts(&self.tallies);
        self.inputs.push(InputRead {
            name: input.name.clone(),
            kind: "access_log",
            format: Some(chosen.name.clone()),
            lines: after[0] - before[0],
            unparsed: after[1] - before[1],
            bytes: after[2] - before[2],
        });
        if !self.formats.iter().any(|known| known.name == chosen.name) {
            self.formats.push(chosen);
        }
        self.finished(&input.name, result);
    }

    fn error_log(&mut self, input: Input) {
        self.errors.resize_with(self.threads, Errors::default);
        let before = error_counts(&self.errors);
        let result = feed(input.source, &mut self.errors, &self.read);
        let after = error_counts(&self.errors);
        self.inputs.push(InputRead {
            name: input.name.clone(),
            kind: "error_log",
            format: None,
            lines: after[0] - before[0],
            unparsed: after[1] - before[1],
            bytes: after[2] - before[2],
        });
        self.finished(&input.name, result);
    }

    fn finished(&mut self, name: &str, result: io::Result<()>) {
        if let Err(error) = result {
            self.problem(name.to_owned(), InputError::io(name, error).to_string());
        }
    }

    fn problem(&mut self, name: String, message: String) {
        self.problems.push(Problem { name, message });
    }

    fn report(self) -> Report {
        let mut tallies = self.tallies.into_iter();
        let access = tallies.next().map(|mut all| {
            tallies.for_each(|tally| all.merge(tally));
            Access::of(all, &self.formats)
        });
        let mut errors = self.errors.into_iter();
        let errors = errors.next().map(|mut all| {
            errors.for_each(|one| all.merge(one));
            ErrorMessages::of(&all)
        });
        Report {
            time: Time::now(),
            kind: "log_report",
            instance: None,
            host: None,
            inputs: self.inputs,
            problems: self.problems,
            access,
            errors,
        }
    }
}

/// Lines, lines that were not understood, and bytes.
fn access_counts(tallies: &[Tally]) -> [u64; 3] {
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum();
    [sum(|t| t.lines), sum(|t| t.unparsed), sum(|t| t.bytes)]
}

fn error_counts(errors: &[Errors]) -> [u64; 3] {
    let sum = |count: fn(&Errors) -> u64| errors.iter().map(count).sum();
    [sum(|e| e.lines), sum(|e| e.strays), sum(|e| e.bytes)]
}

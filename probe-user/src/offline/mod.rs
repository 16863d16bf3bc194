//! `nginx-probe logs`: classifies the failures in log files, offline and without privileges.
//!
//! Nothing here touches the kernel or nginx. Each input is opened ([`input`]), and its first lines tell
//! what it is in ([`layout`]: [`wrapper`], [`formats`]). Its lines are fed to one [`reader`] in each
//! thread ([`feed`]), which counts requests and messages ([`tally`], [`errors`]) and keeps what may
//! explain each other ([`pairs`]). What all of them counted becomes one [`report`].

pub mod archive;
mod bar;
pub mod compressed;
pub mod errors;
pub mod feed;
mod figures;
pub mod formats;
pub mod input;
pub mod kinds;
pub mod layout;
pub mod minutes;
pub mod pairs;
pub mod reader;
pub mod report;
mod route;
mod secrets;
pub mod spread;
pub mod tally;
mod text;
pub mod top;
pub mod wrapper;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    thread,
};

use anyhow::{Context as _, bail};

use self::{
    archive::Members,
    bar::Bar,
    feed::feed,
    formats::Chosen,
    input::{Input, InputError, Opened, each_once},
    layout::Layout,
    reader::Reader,
    report::{InputRead, Problem, Report},
};
use crate::{options::LogsOptions, sinks::console::Output};

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
    let understood = report.is_understood();
    let text = match options.output {
        Output::Text => text::text(&report),
        Output::Json => serde_json::to_string(&report).context("writing JSON")? + "\n",
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads through `head` has what he wants.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result.context("cannot write the report to standard output")?,
    }
    if !understood {
        bail!("most lines are in no format that is known here, so nothing is sure");
    }
    Ok(())
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
    given: Option<Chosen>,
    read: Arc<AtomicU64>,
    readers: Vec<Reader>,
    inputs: Vec<InputRead>,
    problems: Vec<Problem>,
}

impl Reading {
    fn new(threads: Option<usize>, given: Option<Chosen>) -> Self {
        let here = || thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(here).clamp(1, MOST_THREADS);
        Self {
            given,
            read: Arc::default(),
            readers: (0..threads).map(|_| Reader::default()).collect(),
            inputs: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn one(&mut self, path: &Path, errors: bool) {
        match Input::open(path, &self.read) {
            Ok(Opened::Log(input)) => self.input(input, errors),
            Ok(Opened::Archive(name, members)) => self.archive(&name, members, errors),
            Err(error) => {
                let name = path.display().to_string();
                self.problem(name, error.to_string());
            }
        }
    }

    /// The files of an archive. Those that are no logs are named together: a bundle has many.
    fn archive(&mut self, archive: &str, members: Members, errors: bool) {
        let mut others = Vec::new();
        let mut broken = None;
        for member in members {
            let member = match member {
                Ok(member) => member,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            };
            let name = member.name.clone();
            let before = self.problems.len();
            match Input::of_archive(archive, member) {
                Ok(input) => self.input(input, errors),
                Err(InputError::Io { error, .. }) => {
                    let name = format!("{archive}: {name}");
                    self.problem(name.clone(), InputError::io(&name, error).to_string());
                    continue;
                }
                Err(_) => {}
            }
            let known = |input: &InputRead| input.name == format!("{archive}: {name}");
            if !self.inputs.last().is_some_and(known) {
                self.problems.truncate(before);
                others.push(name);
            }
        }
        if let Some(error) = broken {
            self.problem(
                archive.to_owned(),
                InputError::io(archive, error).to_string(),
            );
        }
        if others.is_empty() {
            return;
        }
        let named = others
            .iter()
            .take(3)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = match others.len().saturating_sub(3) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("{archive}: no log is in {named}{more}");
        self.problem(archive.to_owned(), message);
    }

    fn input(&mut self, input: Input, errors: bool) {
        let name = input.name;
        let layout = Arc::new(Layout::of(&input.head, self.given.as_ref(), errors));
        if layout.is_unknown() {
            let message = format!(
                "{name} is in no format that is known here: give its log_format from nginx.conf, \
                 as in --format '$remote_addr … $status …'"
            );
            return self.problem(name, message);
        }
        let before = Counts::of(&self.readers);
        for reader in &mut self.readers {
            reader.begin(&layout);
        }
        let result = feed(input.source, &mut self.readers, &self.read);
        for reader in &mut self.readers {
            reader.finish();
        }
        let counts = Counts::of(&self.readers).since(&before);
        if counts.unparsed * 2 > counts.lines {
            let message = format!(
                "{name}: {} of {} lines are in no format that is known here: give the log_format \
                 from nginx.conf, as in --format '$remote_addr … $status …'",
                counts.unparsed, counts.lines
            );
            self.problems.push(Problem {
                name: name.clone(),
                message,
                unread: false,
            });
        }
        self.inputs
            .push(InputRead::of(name.clone(), &layout, &counts));
        if let Err(error) = result {
            self.problem(name.clone(), InputError::io(&name, error).to_string());
        }
    }

    fn problem(&mut self, name: String, message: String) {
        self.problems.push(Problem {
            name,
            message,
            unread: true,
        });
    }

    fn report(self) -> Report {
        Report::of(self.readers, self.inputs, self.problems)
    }
}

/// What readers counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    lines: u64,
    bytes: u64,
    blank: u64,
    requests: u64,
    messages: u64,
    unparsed: u64,
}

impl Counts {
    fn of(readers: &[Reader]) -> Self {
        let sum = |count: fn(&Reader) -> u64| readers.iter().map(count).sum();
        Self {
            lines: sum(|r| r.lines),
            bytes: sum(|r| r.bytes),
            blank: sum(|r| r.blank),
            requests: sum(|r| r.tally.lines - r.tally.unparsed),
            messages: sum(|r| r.errors.messages),
            unparsed: sum(|r| r.tally.unparsed + r.errors.strays),
        }
    }

    fn since(self, before: &Self) -> Self {
        Self {
            lines: self.lines - before.lines,
            bytes: self.bytes - before.bytes,
            blank: self.blank - before.blank,
            requests: self.requests - before.requests,
            messages: self.messages - before.messages,
            unparsed: self.unparsed - before.unparsed,
        }
    }
}

#[cfg(test)]
mod tests;

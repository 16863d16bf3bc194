//! What the agent writes, read line by line as it comes.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// What the agent has written so far.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) records: Vec<Value>,
    /// Its standard output as it was, each line with its end.
    pub(super) text: String,
    /// When each of the records was read from the pipe.
    pub(super) read: Vec<SystemTime>,
    /// From the start to the line `ready`.
    pub(super) ready: Option<Duration>,
    /// Lines of standard output that are no JSON: there must be none.
    pub(super) stray: Vec<String>,
    pub(super) stderr: Vec<String>,
}

/// Reads all that the child writes, in threads that end with it; `started` is when it did.
pub(super) fn read(
    child: &mut Child,
    started: Instant,
) -> (Arc<Mutex<Output>>, Vec<JoinHandle<()>>) {
    let output = Arc::new(Mutex::new(Output::default()));
    let mut readers = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        readers.push(read_lines(stdout, &output, |output, line| {
            output.text.push_str(&line.text);
            output.text.push('\n');
            match serde_json::from_str(&line.text) {
                Ok(record) => {
                    output.records.push(record);
                    output.read.push(line.clock);
                }
                Err(_) => output.stray.push(line.text),
            }
        }));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.push(read_lines(stderr, &output, move |output, line| {
            if is_ready(&line.text) {
                output.ready.get_or_insert(line.moment - started);
            }
            output.stderr.push(line.text);
        }));
    }
    (output, readers)
}

/// A line, and when it was read.
struct Line {
    text: String,
    moment: Instant,
    clock: SystemTime,
}

fn read_lines(
    from: impl Read + Send + 'static,
    output: &Arc<Mutex<Output>>,
    keep: impl Fn(&mut Output, Line) + Send + 'static,
) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for text in BufReader::new(from).lines().map_while(Result::ok) {
            // Before the lock, which someone else may hold.
            let line = Line {
                text,
                moment: Instant::now(),
                clock: SystemTime::now(),
            };
            keep(&mut lock(&output), line);
        }
    })
}

/// Whether the line says that the agent is ready.
pub(super) fn is_ready(line: &str) -> bool {
    line.trim() == "ready"
}

/// A thread that panicked while it held the lock has not spoiled a list of lines.
pub(super) fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What the agent says of itself, on standard error.
//!
//! A terminal that is stopped or a pager that is not read blocks whoever writes to it, so a thread
//! of its own does, as for standard output.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::queue::Queue;

/// How long the end of the agent waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

static QUEUE: Mutex<Option<Queue>> = Mutex::new(None);

/// Where the logger writes.
#[derive(Debug)]
pub struct Messages(());

impl Messages {
    /// Begins to write to standard error by a thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start() -> io::Result<Self> {
        let queue = Queue::start("standard error", io::stderr())?;
        *QUEUE.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
        Ok(Self(()))
    }
}

impl Write for Messages {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        say(&String::from_utf8_lossy(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a text that ends with a newline.
pub fn say(text: &str) {
    match &*QUEUE.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(queue) => queue.put(text.to_owned()),
        // A standard error that is closed takes no word about that either.
        None => drop(io::stderr().write_all(text.as_bytes())),
    }
}

/// Waits a moment for the last message to be written.
pub fn finish() {
    // Taken out first: the thread that writes may have something to say itself.
    let queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut queue) = queue {
        queue.finish(LAST_WORDS);
    }
}

//! What the agent says of itself, on standard error.
//!
//! A terminal that is stopped or a pager that is not read blocks whoever writes to it, so a thread
//! of its own does, as for standard output.

use std::{
    env,
    io::{self, Write},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use log::Level;

use super::queue::Queue;

/// How long the end of the agent waits for a reader.
const LAST_WORDS: Duration = Duration::from_secs(1);

static QUEUE: Mutex<Option<Queue>> = Mutex::new(None);

/// Standard error leads to systemd's journal.
static JOURNAL: LazyLock<bool> = LazyLock::new(|| {
    let stderr = rustix::fs::fstat(io::stderr()).ok();
    let stream = env::var("JOURNAL_STREAM").ok();
    stderr
        .zip(stream)
        .is_some_and(|(stat, stream)| is_stream(&stream, stat.st_dev, stat.st_ino))
});

/// What stands before a line of that level: a syslog priority where systemd's journal reads it
/// (`sd-daemon(3)`), so that `journalctl -p warning` shows warnings; else nothing.
#[must_use]
pub fn priority(level: Level) -> &'static str {
    match (*JOURNAL, level) {
        (false, _) => "",
        (true, Level::Error) => "<3>",
        (true, Level::Warn) => "<4>",
        (true, Level::Info) => "<6>",
        (true, Level::Debug | Level::Trace) => "<7>",
    }
}

/// Whether `JOURNAL_STREAM` names the file with that device and inode (`systemd.exec(5)`). A child
/// of the service whose standard error was led elsewhere still has the variable.
fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    let named = stream.split_once(':');
    let numbers = named.map(|(device, inode)| (device.parse().ok(), inode.parse().ok()));
    numbers == Some((Some(device), Some(inode)))
}

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

#[cfg(test)]
mod tests {
    use super::is_stream;

    #[test]
    fn only_the_very_file_is_the_journal() {
        assert!(is_stream("8:131", 8, 131));
        for other in [
            "8:13", "9:131", "8", "", "8:", ":131", "8:131:1", "a:b", "-8:131",
        ] {
            assert!(!is_stream(other, 8, 131), "{other}");
        }
    }
}

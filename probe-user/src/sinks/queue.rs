//! Text for a reader that may be slow, stuck or gone: a thread of its own writes it, so that nobody
//! else waits.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel},
    },
    time::Duration,
};

use super::lines::Lines;
use crate::privileges::{self, Needs};

/// Records that wait for the reader.
const MAX_WAITING: usize = 4096;
/// Bytes of these.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// What waits to be written.
#[derive(Debug)]
pub struct Queue {
    sender: Option<SyncSender<String>>,
    /// Ends when the thread does.
    done: Receiver<()>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Nobody will ever read what is written.
    gone: AtomicBool,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    /// Records that found no room since the queue was last empty.
    dropped: AtomicU64,
}

impl Queue {
    /// A queue for `out`, which log messages call `what`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(what: &'static str, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, queued) = sync_channel(MAX_WAITING);
        let (end, done) = channel();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        // Whoever only writes to what is open already needs no privilege.
        privileges::spawn("writer", Needs::WRITER, move || {
            // Dropped at the thread's end, which is what `finish` waits for.
            let _end = end;
            write_all(what, &queued, out, &shared);
        })?;
        Ok(Self {
            sender: Some(sender),
            done,
            state,
        })
    }

    /// Queues a text that ends with a newline; drops it when too much waits already.
    pub fn put(&self, text: String) {
        let Some(sender) = &self.sender else { return };
        let (state, bytes) = (&self.state, text.len());
        let before = state.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        state.waiting.fetch_add(1, Ordering::Relaxed);
        // One text of any size is taken when nothing else waits.
        let has_room = before == 0 || before.saturating_add(bytes) <= MAX_WAITING_BYTES;
        if !has_room || sender.try_send(text).is_err() {
            state.taken(bytes);
            state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the reader is gone for good.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state.gone.load(Ordering::Relaxed)
    }

    /// Waits at most `limit` for the last text to be written. Gives how many never will be.
    pub fn finish(&mut self, limit: Duration) -> u64 {
        self.sender = None;
        let left = match self.done.recv_timeout(limit) {
            Err(RecvTimeoutError::Timeout) => self.state.waiting.load(Ordering::Relaxed),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => 0,
        };
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        left.saturating_add(self.state.dropped.swap(0, Ordering::Relaxed))
    }
}

impl State {
    /// So many bytes wait no more; whether nothing does.
    fn taken(&self, bytes: usize) -> bool {
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

fn write_all(what: &str, queued: &Receiver<String>, out: impl Write, state: &State) {
    let mut lines = Lines::new(out, false);
    for text in queued {
        let outcome = lines.write(&text);
        if outcome.is_gone() {
            state.gone.store(true, Ordering::Relaxed);
            return;
        }
        outcome.warn(what);
        if state.taken(text.len()) {
            let dropped = state.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                log::warn!("{what} was not read in time: {dropped} records are missing there");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, pipe},
        thread,
        time::Instant,
    };

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up() {
        let (reader, writer) = pipe().expect("a pipe");
        let mut queue = Queue::start("a pipe", writer).expect("a thread");
        // More than the pipe and the queue hold together.
        let text = format!("{}\n", "x".repeat(1000));
        let begun = Instant::now();
        for _ in 0..10_000 {
            queue.put(text.clone());
        }
        assert!(begun.elapsed() < SOON);
        // One is with the thread.
        assert!(queue.state.waiting.load(Ordering::Relaxed) <= MAX_WAITING + 1);
        assert!(queue.state.waiting_bytes.load(Ordering::Relaxed) <= MAX_WAITING_BYTES);
        assert!(queue.finish(Duration::from_millis(50)) > 5000);
        assert!(begun.elapsed() < SOON);
        drop(reader);
    }

    #[test]
    fn what_was_queued_is_written_in_order_at_the_end() {
        let (reader, writer) = pipe().expect("a pipe");
        let mut queue = Queue::start("a pipe", writer).expect("a thread");
        for n in 0..1000 {
            queue.put(format!("{n}\n"));
        }
        assert_eq!(queue.finish(SOON), 0);
        let lines: Vec<_> = BufReader::new(reader)
            .lines()
            .map_while(Result::ok)
            .collect();
        assert!(lines.into_iter().eq((0..1000).map(|n| n.to_string())));
    }

    #[test]
    fn a_reader_that_went_is_noticed() {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let queue = Queue::start("a pipe", writer).expect("a thread");
        queue.put("x\n".to_owned());
        let begun = Instant::now();
        while !queue.is_gone() {
            assert!(begun.elapsed() < SOON, "it was not noticed");
            thread::yield_now();
        }
    }
}

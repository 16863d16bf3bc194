//! The progress bar, on a terminal only.

use std::{
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

const REDRAW: Duration = Duration::from_millis(200);

/// Shows how far the reading is until it is dropped.
pub struct Bar {
    shown: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Bar {
    /// For `total` bytes, compressed ones where inputs are compressed; none when that is not known.
    /// `read` says how many are done.
    #[must_use]
    pub fn start(total: Option<u64>, read: &Arc<AtomicU64>) -> Self {
        let shown = io::stderr()
            .is_terminal()
            .then(|| show(total, Arc::clone(read)))
            .flatten();
        Self { shown }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.shown.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

fn show(total: Option<u64>, read: Arc<AtomicU64>) -> Option<(SyncSender<()>, JoinHandle<()>)> {
    let (end, ended) = sync_channel(0);
    let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let style = match total {
        Some(_) => "{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta}",
        None => "{spinner} {binary_bytes}, {binary_bytes_per_sec}",
    };
    bar.set_style(ProgressStyle::with_template(style).ok()?);
    let follow = move || {
        while ended.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
            bar.set_position(read.load(Ordering::Relaxed));
        }
        bar.finish_and_clear();
    };
    let thread = thread::Builder::new().spawn(follow).ok()?;
    Some((end, thread))
}

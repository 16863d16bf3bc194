//! Ctrl-C, SIGTERM and SIGHUP: noted here, obeyed at the next look, so that all is removed.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

static CAME: AtomicBool = AtomicBool::new(false);

/// From now on this task ends itself when it is asked to.
pub(crate) fn catch() -> Result<()> {
    ctrlc::set_handler(|| CAME.store(true, Ordering::Relaxed)).context("catching Ctrl-C")
}

/// Whether this task was asked to end.
pub(crate) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Fails once this task was asked to end.
pub(crate) fn check() -> Result<()> {
    if came() {
        bail!("interrupted");
    }
    Ok(())
}

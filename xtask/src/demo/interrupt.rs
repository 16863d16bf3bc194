//! Ctrl-C, SIGTERM and SIGHUP: noted here, obeyed at the next look, so that all is removed.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

static CAME: AtomicBool = AtomicBool::new(false);

/// From now on the demo ends itself when it is asked to.
pub(super) fn catch() -> Result<()> {
    ctrlc::set_handler(|| CAME.store(true, Ordering::Relaxed)).context("catching Ctrl-C")
}

/// Whether the demo was asked to end.
pub(super) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Fails once the demo was asked to end.
pub(super) fn check() -> Result<()> {
    if came() {
        bail!("interrupted");
    }
    Ok(())
}

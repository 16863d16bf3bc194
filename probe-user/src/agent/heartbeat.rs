//! Tells systemd that the loop turns, so that an agent that hangs is started again (`WatchdogSec`).

use std::time::{Duration, Instant};

/// How often it is said at most.
const EVERY: Duration = Duration::from_secs(1);

/// When it was said last. Said by the loop in its turn, whatever it was for: a storm of records that
/// leaves no time for anything else is no hang.
#[derive(Default)]
pub(super) struct Heartbeat {
    last: Option<Instant>,
}

impl Heartbeat {
    /// The loop has come round again.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if self
            .last
            .is_none_or(|last| now.duration_since(last) >= EVERY)
        {
            self.last = Some(now);
            // Nobody is told where nobody watches (`NOTIFY_SOCKET` is not set).
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }
}

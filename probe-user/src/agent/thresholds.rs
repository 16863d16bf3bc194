//! The thresholds of an operator's checklist, judged on what the agent exports.

use std::time::Instant;

use super::Agent;
use crate::{snapshot::Snapshot, thresholds};

/// Looks, of one second each, between two.
pub(super) fn is_due(looks: u32) -> bool {
    u64::from(looks).is_multiple_of(thresholds::EVERY.as_secs())
}

impl Agent {
    /// Judges what the agent exports now.
    pub(super) fn look_at_thresholds(&mut self) {
        let Ok(text) = self.metrics.encode() else {
            return;
        };
        let snapshot = Snapshot::parse(&text);
        for change in self.thresholds.look(Instant::now(), &snapshot) {
            self.metrics.threshold(&change);
            let (nginx, says) = (&change.nginx, change.threshold.says());
            if change.exceeded {
                log::warn!("{nginx}: {says}");
            } else {
                log::info!("{nginx}: no longer so: {says}");
            }
        }
    }
}

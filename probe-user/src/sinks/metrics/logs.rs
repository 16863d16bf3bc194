//! Logs: lines read, and what the error log says.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::error_log::{Answer, classes};

use super::{
    labels::{OfLines, OfLog, OfMessage},
    series::Series,
};

pub(super) struct Logs {
    lines: Family<OfLines, Counter>,
    skipped_bytes: Family<OfLog, Counter>,
    gaps: Family<OfLog, Counter>,
    messages: Series<OfMessage, Counter>,
}

impl Logs {
    pub(super) fn new(r: &mut Registry) -> Self {
        let new = Self {
            lines: Family::default(),
            skipped_bytes: Family::default(),
            gaps: Family::default(),
            messages: Series::new(Counter::default),
        };
        r.register("nginx_probe_log_lines", "Log lines read", new.lines.clone());
        r.register(
            "nginx_probe_log_skipped_bytes",
            "Bytes of logs that were not read because too much was unread",
            new.skipped_bytes.clone(),
        );
        r.register(
            "nginx_probe_log_gaps",
            "Rotated files whose unread part was not found again",
            new.gaps.clone(),
        );
        new.messages.register(
            r,
            "nginx_error_log_messages",
            "Messages in the error log, by what they mean",
        );
        for log in ["access", "error"] {
            new.count(log, 0, 0);
            new.lost(log, 0, 0);
        }
        new
    }

    /// Starts the messages that stand for a failed response at zero, at their usual level.
    pub(super) fn begin(&self, nginx: &str) {
        for class in classes().filter(|class| class.answer != Answer::Unharmed) {
            if let Some(level) = class.levels.first() {
                self.messages(nginx, level.name(), class.name, 0);
            }
        }
    }

    pub(super) fn forget(&self, nginx: &str) {
        self.messages.forget(nginx);
    }

    pub(super) fn count(&self, log: &'static str, parsed: u64, unparsed: u64) {
        for (result, count) in [("parsed", parsed), ("unparsed", unparsed)] {
            self.lines
                .get_or_create(&OfLines { log, result })
                .inc_by(count);
        }
    }

    pub(super) fn lost(&self, log: &'static str, bytes: u64, gaps: u64) {
        self.skipped_bytes
            .get_or_create(&OfLog { log })
            .inc_by(bytes);
        self.gaps.get_or_create(&OfLog { log }).inc_by(gaps);
    }

    pub(super) fn messages(
        &self,
        nginx: &str,
        level: &'static str,
        class: &'static str,
        count: u64,
    ) {
        let nginx = nginx.to_owned();
        let labels = OfMessage {
            nginx,
            level,
            class,
        };
        self.messages.of(&labels).inc_by(count);
    }
}

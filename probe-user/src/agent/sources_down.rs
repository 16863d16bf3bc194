//! One warning of the sources that verdicts stand on and that are down.

use super::start::KERNEL_STEMS;
use crate::{options::RunOptions, sinks::metrics::Metrics, source::Stem};

/// Looks, about one a second, after which each source of a running nginx has been tried.
const LOOKS: u32 = 3;
/// What a verdict may stand on beside those that the kernel side feeds.
const OTHERS: [Stem; 5] = [
    Stem::ErrorPath,
    Stem::Backends,
    Stem::Config,
    Stem::AccessLog,
    Stem::ErrorLog,
];

/// What is still to be said.
pub(super) struct SourcesDown {
    expected: Vec<Stem>,
    looks: u32,
}

impl SourcesDown {
    /// What the options did not turn off is expected to work.
    pub(super) fn of(options: &RunOptions) -> Self {
        let watch = &options.watch;
        let is_off = |stem: Stem| match stem {
            Stem::Config => false,
            Stem::AccessLog | Stem::ErrorLog => watch.no_logs(),
            Stem::ErrorPath => watch.no_kernel() || watch.no_uprobes(),
            _ => watch.no_kernel(),
        };
        Self {
            expected: KERNEL_STEMS
                .into_iter()
                .chain(OTHERS)
                .filter(|stem| !is_off(*stem))
                .collect(),
            looks: 0,
        }
    }

    /// Looks again while an nginx runs; says once what is down.
    pub(super) fn look(&mut self, metrics: &Metrics) {
        self.looks += 1;
        if self.looks < LOOKS || self.expected.is_empty() {
            return;
        }
        let expected = std::mem::take(&mut self.expected).into_iter();
        let down = expected.filter(|stem| !metrics.source_is_up(*stem));
        let down: Vec<_> = down.map(Stem::as_str).collect();
        if !down.is_empty() {
            log::warn!("{}", in_words(&down));
        }
    }
}

fn in_words(down: &[&str]) -> String {
    let (names, are) = (down.join(", "), if down.len() == 1 { "is" } else { "are" });
    format!(
        "{names} {are} down: a failure that only they could explain will be unknown, or less certain; \
         nginx-probe doctor says why, and what to do"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_down_is_named() {
        assert!(in_words(&["error_path"]).starts_with("error_path is down: "));
        assert!(in_words(&["config", "error_log"]).starts_with("config, error_log are down: "));
    }
}

//! The thresholds of an operator's checklist: which are exceeded.

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};

use super::{Metrics, labels::OfThreshold, series::Series};
use crate::thresholds::{Change, Threshold};

pub(super) struct Thresholds {
    exceeded: Series<OfThreshold, Gauge>,
}

impl Metrics {
    /// A threshold is exceeded from now on, or no longer.
    pub fn threshold(&self, change: &Change) {
        self.know(&change.nginx);
        self.thresholds
            .set(&change.nginx, change.threshold, change.exceeded);
    }
}

impl Thresholds {
    pub(super) fn new(r: &mut Registry) -> Self {
        let exceeded = Series::new(Gauge::default);
        exceeded.register(
            r,
            "nginx_threshold_exceeded",
            "1 while a threshold of the operator's checklist is exceeded",
        );
        Self { exceeded }
    }

    pub(super) fn begin(&self, nginx: &str) {
        for threshold in Threshold::ALL {
            self.set(nginx, threshold, false);
        }
    }

    pub(super) fn forget(&self, nginx: &str) {
        self.exceeded.forget(nginx);
    }

    fn set(&self, nginx: &str, threshold: Threshold, exceeded: bool) {
        let labels = OfThreshold {
            nginx: nginx.to_owned(),
            threshold: threshold.as_str(),
        };
        self.exceeded.of(&labels).set(exceeded.into());
    }
}

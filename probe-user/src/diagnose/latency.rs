//! Where time went: in nginx and its clients, or in upstreams.

use serde::Serialize;

use crate::snapshot::{Snapshot, whole};

/// How long things took, in seconds. Each is the upper end of the histogram's bucket that it is in,
/// so it took at most that; none when it took longer than the last bucket's end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// All of them together.
    pub sum_s: f64,
    /// Half of them took at most that.
    pub median_s: Option<f64>,
    /// 95 of 100 took at most that.
    pub p95_s: Option<f64>,
}

impl Latency {
    /// What a histogram of one nginx has more in `after` than in `before`; none when nothing.
    #[must_use]
    pub fn of(before: &Snapshot, after: &Snapshot, name: &str, nginx: &str) -> Option<Self> {
        let more = |suffix: &str| {
            let name = format!("{name}_{suffix}");
            let before = before.sum(&name, nginx, |_| true).unwrap_or(0.0);
            after.sum(&name, nginx, |_| true).map(|now| now - before)
        };
        let count = more("count").filter(|count| *count > 0.5)?;
        // A histogram has the same buckets from its first observation on.
        let was = before.buckets(name, nginx);
        let ends: Vec<(f64, f64)> = after
            .buckets(name, nginx)
            .into_iter()
            .enumerate()
            .map(|(at, (end, now))| (end, now - was.get(at).map_or(0.0, |(_, was)| *was)))
            .collect();
        let quantile = |of: f64| {
            let reached = ends.iter().find(|(_, below)| *below >= of * count);
            reached.map(|(end, _)| *end).filter(|end| end.is_finite())
        };
        Some(Self {
            count: whole(count),
            sum_s: more("sum").unwrap_or(0.0),
            median_s: quantile(0.5),
            p95_s: quantile(0.95),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_since_counts() {
        let text = |low: u32, high: u32, all: u32| {
            Snapshot::parse(&format!(
                "t_sum{{nginx=\"n\"}} {all}.5\n\
                 t_count{{nginx=\"n\"}} {all}\n\
                 t_bucket{{le=\"0.1\",nginx=\"n\"}} {low}\n\
                 t_bucket{{le=\"1.0\",nginx=\"n\"}} {high}\n\
                 t_bucket{{le=\"+Inf\",nginx=\"n\"}} {all}\n"
            ))
        };
        let latency = Latency::of(&text(10, 10, 10), &text(16, 19, 20), "t", "n");
        let latency = latency.expect("ten more");
        assert_eq!(
            (latency.count, latency.median_s, latency.p95_s),
            (10, Some(0.1), None)
        );
        assert_eq!(Latency::of(&text(1, 1, 1), &text(1, 1, 1), "t", "n"), None);
    }
}

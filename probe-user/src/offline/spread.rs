//! How times are spread, in a fixed number of buckets.

/// Buckets for each doubling: a figure is at most one in 32 too high.
const STEPS: u32 = 32;
/// Up to 2^32 ms, which is 49 days.
const BUCKETS: usize = (STEPS * 28) as usize;

/// Times in milliseconds, as nginx writes them.
#[derive(Clone, Debug)]
pub struct Spread {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    most: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            count: 0,
            most: 0,
        }
    }
}

impl Spread {
    /// Takes a time in microseconds.
    #[inline]
    pub fn add(&mut self, micros: i64) {
        let ms = u64::try_from(micros / 1000).unwrap_or(0);
        if let Some(bucket) = self.buckets.get_mut(bucket(ms)) {
            *bucket += 1;
        }
        self.count += 1;
        self.most = self.most.max(ms);
    }

    /// Takes all of another.
    pub fn merge(&mut self, other: &Self) {
        for (mine, other) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *mine += other;
        }
        self.count += other.count;
        self.most = self.most.max(other.most);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, in milliseconds.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The time in milliseconds that `percent` (1 to 100) of all do not exceed; at most 1/32 above
    /// the true one.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> u64 {
        let rank = u128::from(self.count) * u128::from(percent);
        let mut seen = 0_u128;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count) * 100;
            if seen >= rank && *count > 0 {
                return highest(at).min(self.most);
            }
        }
        self.most
    }
}

#[inline]
fn bucket(ms: u64) -> usize {
    let ms = u32::try_from(ms).unwrap_or(u32::MAX);
    let above = ms.max(STEPS).ilog2() - STEPS.ilog2();
    (above * STEPS + (ms >> above)) as usize
}

/// The longest time of a bucket.
fn highest(bucket: usize) -> u64 {
    let steps = u64::from(STEPS);
    let bucket = bucket as u64;
    if bucket < 2 * steps {
        return bucket;
    }
    let above = bucket / steps - 1;
    (((bucket % steps + steps + 1) << above) - 1).min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_bucket_close_to_it() {
        let mut last = 0;
        for ms in (0..5000).chain((1..32).flat_map(|n| [(1 << n) - 1, 1 << n, (1 << n) + 1])) {
            let top = highest(bucket(ms));
            assert!(top >= ms && top - ms <= ms / 32, "{ms} {top}");
            assert!(bucket(ms) < BUCKETS);
            last = last.max(bucket(ms));
        }
        assert!(bucket(u64::MAX) < BUCKETS, "{last}");
    }

    #[test]
    fn percentiles_of_known_times() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentile(99), 0);
        for ms in 1..=100 {
            let mut one = Spread::default();
            one.add(ms * 1000);
            spread.merge(&one);
        }
        assert_eq!(spread.percentile(50), 50);
        assert!((95..=97).contains(&spread.percentile(95)));
        assert_eq!((spread.percentile(100), spread.count()), (100, 100));
        spread.add(-5);
        assert_eq!(spread.percentile(1), 1);
    }
}

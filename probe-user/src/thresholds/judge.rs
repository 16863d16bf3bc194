//! Compares what is with what was.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{EVERY, FULL_CONNECTIONS, FULL_FILES, ORDINARY_ERRORS, Threshold, reading::Reading};

const MINUTE: Duration = Duration::from_mins(1);
/// What is called lately.
const LATELY: Duration = Duration::from_mins(5);
/// What the time that upstreams took lately is compared with, and how much of it there must be.
const BASELINE: Duration = Duration::from_hours(1);
const SHORTEST_BASELINE: Duration = Duration::from_mins(10);
/// Attempts of which a percentile says something.
const ENOUGH_ATTEMPTS: u64 = 100;
/// How long a worker may take to be replaced.
const REPLACED: Duration = Duration::from_secs(30);
/// Fewer failures are no trend, whatever their share.
const ENOUGH_FAILURES: u64 = 10;
/// Responses of a minute that are traffic.
const TRAFFIC: u64 = 60;
/// How much slower upstreams may get.
const SLOWER: f64 = 1.2;

/// The buckets of a histogram: each one's end, and how many are at most that.
type Buckets = Vec<(f64, u64)>;

/// The states of one nginx.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Of the last minutes, oldest first.
    readings: VecDeque<(Instant, Reading)>,
    /// What upstreams took, of the hour before those, at greater distances.
    earlier: VecDeque<(Instant, Buckets)>,
    short_since: Option<Instant>,
    exceeded: [bool; Threshold::ALL.len()],
}

impl Judge {
    pub(super) const fn exceeded(&self) -> [bool; Threshold::ALL.len()] {
        self.exceeded
    }

    pub(super) fn look(&mut self, now: Instant, reading: Reading) {
        self.short_since = match self.short_since {
            _ if !reading.is_short => None,
            None => Some(now),
            since => since,
        };
        if self.readings.is_empty() {
            // Its counters began at zero not long ago: what they have by now is of this moment.
            self.readings.push_back((now, Reading::default()));
        }
        self.forget(now);
        self.exceeded = Threshold::ALL.map(|threshold| self.is_exceeded(threshold, now, &reading));
        self.readings.push_back((now, reading));
    }

    /// Readings that are too old for the last minutes go to those of the hour before.
    fn forget(&mut self, now: Instant) {
        let is_older = |at: Instant, than: Duration| now.duration_since(at) > than;
        // One that is as old as the time looked at stays: it is where that begins.
        while self.readings.len() > 1 && is_older(self.readings[1].0, LATELY) {
            if let Some((at, reading)) = self.readings.pop_front() {
                let last = self.earlier.back().map(|(at, _)| *at);
                if last.is_none_or(|last| at.duration_since(last) >= LATELY) {
                    self.earlier.push_back((at, reading.upstream));
                }
            }
        }
        while (self.earlier.front()).is_some_and(|(at, _)| is_older(*at, BASELINE + LATELY)) {
            self.earlier.pop_front();
        }
    }

    fn is_exceeded(&self, threshold: Threshold, now: Instant, reading: &Reading) -> bool {
        match threshold {
            Threshold::ErrorRatio => self.since(now, LATELY).is_some_and(|before| {
                failed(before, reading, |all, failed| {
                    failed >= ENOUGH_FAILURES && failed * 100 > all
                })
            }),
            Threshold::ErrorRatioHigh => self.since(now, MINUTE).is_some_and(|before| {
                failed(before, reading, |all, failed| {
                    all >= TRAFFIC && failed * 100 > all * 5
                })
            }),
            // Once is enough, so it need not have been watched for long.
            Threshold::SevereMessages => {
                (self.readings.front()).is_some_and(|(_, before)| reading.severe > before.severe)
            }
            Threshold::ErrorMessages => self.since(now, MINUTE).is_some_and(|before| {
                reading.errors - before.errors.min(reading.errors) > ORDINARY_ERRORS.into()
            }),
            Threshold::WorkersMissing => self
                .short_since
                .is_some_and(|since| now.duration_since(since) > REPLACED),
            Threshold::OpenFds => reading.open_fds.is_some_and(|share| share > FULL_FILES),
            Threshold::Connections => reading
                .connections
                .is_some_and(|share| share > FULL_CONNECTIONS),
            Threshold::UpstreamTime => self.is_slower(now, reading).unwrap_or(false),
        }
    }

    /// What was read so long ago; what was read first when the agent watches for less than that,
    /// but for a minute.
    fn since(&self, now: Instant, ago: Duration) -> Option<&Reading> {
        // Looks come a little late.
        let old = |at: &Instant| now.duration_since(*at) + EVERY / 2;
        let as_old = self.readings.iter().rev().find(|(at, _)| old(at) >= ago);
        let first = || self.readings.front().filter(|(at, _)| old(at) >= MINUTE);
        as_old.or_else(first).map(|(_, reading)| reading)
    }

    /// Whether upstreams took longer lately than before; none when there is too little to tell.
    fn is_slower(&self, now: Instant, reading: &Reading) -> Option<bool> {
        let (lately, before) = self.readings.front()?;
        let (earliest, first) = self.earlier.front()?;
        if now.duration_since(*lately) < LATELY
            || lately.duration_since(*earliest) < SHORTEST_BASELINE
        {
            return None;
        }
        let usual = percentile(first, &before.upstream)?;
        let now = percentile(&before.upstream, &reading.upstream)?;
        Some(now > usual * SLOWER)
    }
}

/// Whether the answers of a while are too many failed ones, by whichever count.
fn failed(before: &Reading, now: &Reading, too_many: impl Fn(u64, u64) -> bool) -> bool {
    now.answers.iter().zip(before.answers).any(|(now, before)| {
        too_many(
            now.all.saturating_sub(before.all),
            now.failed.saturating_sub(before.failed),
        )
    })
}

/// The 95th percentile in seconds of what came between two looks at a histogram, evenly spread
/// within its bucket, as Prometheus has it.
fn percentile(before: &[(f64, u64)], now: &[(f64, u64)]) -> Option<f64> {
    let count = |(at, (end, count)): (usize, &(f64, u64))| {
        let was = before.get(at).map_or(0, |(_, was)| *was);
        (*end, count.saturating_sub(was))
    };
    let buckets: Buckets = now.iter().enumerate().map(count).collect();
    let (_, all) = *buckets.last()?;
    if all < ENOUGH_ATTEMPTS {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let float = |count: u64| count as f64;
    let rank = float(all) * 0.95;
    let (mut start, mut below) = (0.0, 0);
    for (end, count) in buckets {
        if float(count) >= rank {
            if end.is_infinite() {
                return Some(start);
            }
            let share = (rank - float(below)) / float(count - below);
            return Some(start + (end - start) * share);
        }
        (start, below) = (end, count);
    }
    None
}

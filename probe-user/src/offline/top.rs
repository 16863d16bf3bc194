//! Counts by a key that others choose, in bounded memory.

use std::collections::HashMap;

/// Failures of one key: how many, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// 500, 502, 503, 504, and any other.
    by_status: [u64; 5],
}

impl Failures {
    const STATUSES: [u16; 4] = [500, 502, 503, 504];

    fn add(&mut self, status: u16) {
        let at = Self::STATUSES.iter().position(|known| *known == status);
        if let Some(count) = self.by_status.get_mut(at.unwrap_or(Self::STATUSES.len())) {
            *count += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (mine, other) in self.by_status.iter_mut().zip(other.by_status) {
            *mine += other;
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// Each status that there is, and its count; `other` last.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ["500", "502", "503", "504", "other"];
        let all = names.into_iter().zip(self.by_status);
        all.filter(|(_, count)| *count > 0)
    }
}

/// Failures by key. When there are too many keys, those with the fewest failures are given up and
/// counted together: what fails often stays, whatever else is in the log.
#[derive(Clone, Debug)]
pub struct Top<const MOST: usize> {
    counts: HashMap<Box<[u8]>, Failures>,
    most: usize,
    others: u64,
}

impl<const MOST: usize> Default for Top<MOST> {
    fn default() -> Self {
        Self {
            counts: HashMap::new(),
            most: MOST,
            others: 0,
        }
    }
}

impl<const MOST: usize> Top<MOST> {
    /// Counts a failure.
    pub fn add(&mut self, key: &[u8], status: u16) {
        if let Some(count) = self.counts.get_mut(key) {
            count.add(status);
            return;
        }
        if self.counts.len() >= self.most {
            self.give_up_half();
        }
        let mut count = Failures::default();
        count.add(status);
        self.counts.insert(key.into(), count);
    }

    fn give_up_half(&mut self) {
        let mut totals: Vec<u64> = self.counts.values().map(Failures::total).collect();
        let middle = totals.len() / 2;
        let (_, limit, _) = totals.select_nth_unstable(middle);
        let limit = *limit;
        // Of those at the limit as many go as it takes.
        let mut room = totals.len() - middle;
        room = room.saturating_sub(totals.iter().filter(|total| **total > limit).count());
        let others = &mut self.others;
        self.counts.retain(|_, count| {
            let total = count.total();
            let mut keep = total > limit;
            if total == limit && room > 0 {
                room -= 1;
                keep = true;
            }
            if !keep {
                *others += total;
            }
            keep
        });
    }

    /// Takes all of another: together they may hold as many keys as both could.
    pub fn merge(&mut self, other: Self) {
        self.most += other.most;
        self.others += other.others;
        for (key, count) in other.counts {
            self.counts.entry(key).or_default().merge(&count);
        }
    }

    /// The keys with the most failures, at most `count`, and how many failures all others have.
    #[must_use]
    pub fn first(&self, count: usize) -> (Vec<(&[u8], Failures)>, u64) {
        let mut all: Vec<(&[u8], Failures)> =
            self.counts.iter().map(|(key, f)| (&**key, *f)).collect();
        all.sort_by(|a, b| b.1.total().cmp(&a.1.total()).then(a.0.cmp(b.0)));
        let rest = all.iter().skip(count).map(|(_, f)| f.total()).sum::<u64>();
        all.truncate(count);
        (all, rest + self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_often_stays_among_many_that_fail_once() {
        let mut top = Top::<100>::default();
        for n in 0..10_000 {
            top.add(format!("rare {n}").as_bytes(), 404 + n % 100);
            if n % 10 == 0 {
                top.add(b"often", 502);
            }
        }
        assert!(top.counts.len() <= 100);
        let mut other = Top::<100>::default();
        other.add(b"often", 500);
        top.merge(other);
        let (first, rest) = top.first(1);
        let (key, failures) = first[0];
        assert_eq!((key, failures.total(), rest), (&b"often"[..], 1001, 10_000));
        assert_eq!(
            failures.each().collect::<Vec<_>>(),
            [("500", 1), ("502", 1000)]
        );
    }

    #[test]
    fn equal_counts_make_room_too() {
        let mut top = Top::<10>::default();
        for n in 0..1000 {
            top.add(&[1, 2, 3].repeat(n + 1), 500);
            assert!(top.counts.len() <= 10);
        }
        let (first, rest) = top.first(0);
        assert_eq!((first.len(), rest), (0, 1000));
    }
}

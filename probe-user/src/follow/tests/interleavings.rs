//! Many orders of writing, rotating, looking and restarting, each from a seed.

use std::time::{Duration, Instant};

use super::writer::{Log, stored};
use crate::follow::{Follower, Start};

const SEEDS: u64 = 60;
const STEPS: u64 = 60;

/// All of them, or the one to look into.
fn seeds() -> std::ops::RangeInclusive<u64> {
    match std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        Some(seed) => seed..=seed,
        None => 1..=SEEDS,
    }
}

/// A xorshift generator: what failed once is tried again with its seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }
}

/// Polls until every line that is in the files came: a rename without a write may be noticed only
/// by the next look at the path.
fn settle(log: &mut Log, follower: &mut Follower) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        log.poll(follower);
        let there = log.there();
        if there.keys().all(|line| log.came.contains_key(line)) || Instant::now() > end {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn renames_lose_and_repeat_nothing_in_any_order() {
    for seed in seeds() {
        let mut random = Random::new(seed);
        let mut log = Log::new();
        let mut follower = log.follow(Start::End);
        let mut renamed = false;
        let mut unseen = 0;
        for _ in 0..STEPS {
            match random.below(12) {
                // Workers move to the new file one after the other.
                0..5 => {
                    let old = log.open.len().min(1 + usize::from(random.below(3) == 0));
                    log.write(log.open.len() - old, random.below(4));
                }
                5 => log.write_piece(),
                6..9 => {
                    log.poll(&mut follower);
                    unseen = 0;
                }
                9 => follower = log.follow(Start::Resume(stored(&follower))),
                _ if renamed => {
                    log.reopen();
                    renamed = false;
                }
                _ if unseen < 4 => {
                    log.rename();
                    renamed = true;
                    unseen += 1;
                }
                _ => {}
            }
        }
        log.finish_piece();
        if renamed {
            log.reopen();
        }
        settle(&mut log, &mut follower);
        log.assert_all_came(&format!("seed {seed}"));
        assert_eq!(log.came.len() as u64, log.written, "seed {seed}");
    }
}

#[test]
fn copytruncate_loses_only_what_it_loses_itself_in_any_order() {
    for seed in seeds() {
        let mut random = Random::new(seed);
        let mut log = Log::new();
        let mut follower = log.follow(Start::End);
        let mut unseen = 0;
        for _ in 0..STEPS {
            match random.below(12) {
                0..5 => log.write_last(random.below(6)),
                5 => log.write_piece(),
                6..9 => {
                    log.poll(&mut follower);
                    unseen = 0;
                }
                9 => follower = log.follow(Start::Resume(stored(&follower))),
                _ if unseen < 4 => {
                    let (lines, look) = (random.below(3), random.below(2) == 0);
                    let mut early = random.below(5);
                    // Both are called in turn, never at once.
                    let following = std::cell::RefCell::new(&mut follower);
                    log.copytruncate_slowly(
                        |log| {
                            early = early.wrapping_sub(1);
                            if early < 2 {
                                log.poll(*following.borrow_mut());
                            }
                        },
                        |log| {
                            log.write_last(lines);
                            if look {
                                log.poll(*following.borrow_mut());
                            }
                        },
                    );
                    unseen += 1;
                    if look {
                        // A restart just then, with less than a fingerprint's length in the log,
                        // repeats what the copy holds: the one case that is not exact.
                        log.poll(&mut follower);
                    }
                }
                _ => {}
            }
        }
        log.finish_piece();
        settle(&mut log, &mut follower);
        log.assert_all_came(&format!("seed {seed}"));
    }
}

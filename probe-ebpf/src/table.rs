//! Tables of workers and of connections in arrays, where both sides look for a place alike.
//!
//! The kernel looks into an array without calling a helper; its hash tables cost a call, a hash and
//! a walk for each of the two or three look-ups of every read and write of a worker.

/// Places that a worker may have.
pub const WORKER_PROBES: u32 = 8;
/// Places that a connection may have.
pub const PROBES: u32 = 24;

/// A place that nobody has had: whoever is looked for is not behind it either.
pub const EMPTY: u64 = 0;
/// A place that somebody had, and that is free.
pub const FREED: u64 = 1;

/// A worker's place, as often as it is not there counted by `probe`. The table has a power of two
/// of places; process ids that follow each other have neighbouring ones.
#[inline]
#[must_use]
pub const fn worker_place(pid: u32, probe: u32, mask: u32) -> u32 {
    pid.wrapping_add(probe) & mask
}

/// A connection's first place of `size`, an odd number, and the step to its next one.
#[inline]
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    reason = "a 32-bit part of a hash, scaled to a 32-bit size"
)]
pub const fn place(key: u64, size: u32) -> (u32, u32) {
    // Fibonacci hashing: descriptors that follow each other are spread evenly.
    let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let at = ((hash >> 32) * size as u64) >> 32;
    // A power of two has no divisor in common with an odd number of places, so that each place is
    // another.
    let step = 1 << (hash >> 16 & STEPS);
    // Below `size`.
    (at as u32, step)
}

/// The place after `at`. A table has more places than a step is long.
#[inline]
#[must_use]
pub const fn next_place(at: u32, step: u32, size: u32) -> u32 {
    let next = at.wrapping_add(step);
    if next >= size {
        next.wrapping_sub(size)
    } else {
        next
    }
}

/// Different steps, less one.
const STEPS: u64 = 0x7;
/// The fewest places of a table of connections.
pub const LEAST: u32 = 4_097;

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{collections::HashSet, vec};

    use super::*;
    use crate::connection::key;

    /// Fills a table with connections of four workers; how many found no place.
    fn lost(size: u32, connections: u32) -> u32 {
        let mut taken = vec![false; size as usize];
        let mut lost = 0;
        for pid in 7000..7004 {
            for descriptor in 10..10 + connections / 4 {
                let (mut at, step) = place(key(pid, descriptor), size);
                let mut found = false;
                for _ in 0..PROBES {
                    assert!(at < size);
                    if !taken[at as usize] {
                        taken[at as usize] = true;
                        found = true;
                        break;
                    }
                    at = next_place(at, step, size);
                }
                lost += u32::from(!found);
            }
        }
        lost
    }

    #[test]
    fn a_table_has_room_for_as_many_as_it_is_made_for() {
        let size = (16_384 * 6 / 5) | 1;
        assert_eq!(lost(size, 12_288), 0);
        // All at once, which nginx itself has no room for: some of its slots are not for clients.
        assert!(lost(size, 16_384) < 16_384 / 500);
    }

    #[test]
    fn every_place_of_a_connection_is_another() {
        for descriptor in 0..1000 {
            let (mut at, step) = place(key(77, descriptor), LEAST);
            let mut places = HashSet::new();
            for _ in 0..PROBES {
                places.insert(at);
                at = next_place(at, step, LEAST);
            }
            assert!(
                places.len() >= PROBES as usize / 2,
                "{descriptor}: {places:?}"
            );
        }
    }

    #[test]
    fn workers_wrap_around() {
        assert_eq!(worker_place(127, 0, 127), 127);
        assert_eq!(worker_place(127, 1, 127), 0);
        assert_eq!(worker_place(u32::MAX, 1, 127), 0);
    }
}

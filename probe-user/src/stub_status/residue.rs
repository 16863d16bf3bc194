//! What dead workers left behind in the shared counters.
//!
//! A worker that dies abruptly never takes its connections out of `Active connections`, `Reading`,
//! `Writing` and `Waiting`: they stay too high until the shared memory is made anew. The kernel
//! knows how many connections there really are. After a death, and after the agent's start, the
//! difference is taken at a few polls, and the least of them is what the dead left: a connection
//! that comes or goes between nginx's answer and the kernel's makes one poll's difference wrong by
//! one, and the least of some is rather too low, which leaves the raw number uncorrected by as much.
//!
//! Of `Reading`, `Writing` and `Waiting` that is known only when the kernel shows no other
//! connection than our own; until such a poll, these three are left as nginx gives them.

use super::Counters;

/// Polls for which the kernel's number is asked for after a death.
const POLLS: u8 = 3;

/// What the dead left, and what is known of how.
#[derive(Clone, Debug)]
pub(super) struct Residue {
    left: Left,
    /// The least difference since the last death, and when there was no other connection.
    least: Option<u64>,
    least_idle: Option<Left>,
    polls_left: u8,
    before: Option<Counters>,
    dropped: u64,
}

/// Shares of dead workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Left {
    active: u64,
    reading: u64,
    writing: u64,
    waiting: u64,
}

impl Residue {
    pub(super) const fn new() -> Self {
        Self {
            left: Left {
                active: 0,
                reading: 0,
                writing: 0,
                waiting: 0,
            },
            least: None,
            least_idle: None,
            polls_left: POLLS,
            before: None,
            dropped: 0,
        }
    }

    /// A worker may have died: what is left may be more.
    pub(super) const fn may_have_grown(&mut self) {
        self.least = None;
        self.least_idle = None;
        self.polls_left = POLLS;
    }

    /// Whether the next poll ought to come with the kernel's number.
    pub(super) const fn needs_the_kernel(&self) -> bool {
        self.polls_left > 0
    }

    /// Connections that were accepted and not handled since the agent looks: closed at once for
    /// want of a connection slot.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next counters are of another master, or of either of two: nothing known holds.
    pub(super) const fn nothing_to_compare(&mut self) {
        let dropped = self.dropped;
        *self = Self::new();
        self.dropped = dropped;
    }

    /// Takes what nginx said, and how many connections the kernel has beside the one that asked,
    /// when it was asked. Gives the counters without what the dead left.
    pub(super) fn take(&mut self, raw: Counters, others: Option<u64>) -> Counters {
        match self.before {
            Some(before) if raw.accepted < before.accepted || raw.requests < before.requests => {
                // The shared memory is new.
                let dropped = self.dropped;
                *self = Self::new();
                self.dropped = dropped.saturating_add(raw.accepted.saturating_sub(raw.handled));
            }
            Some(before) => {
                let gap = |counters: Counters| counters.accepted.saturating_sub(counters.handled);
                let more = gap(raw).saturating_sub(gap(before));
                self.dropped = self.dropped.saturating_add(more);
            }
            None => {}
        }
        self.before = Some(raw);
        if let Some(others) = others {
            self.compare(raw, others);
        }
        // The connection that asked is open and is being answered: the dead left no more than the rest.
        let left = &mut self.left;
        left.active = left.active.min(raw.active.saturating_sub(1));
        left.writing = left.writing.min(raw.writing.saturating_sub(1));
        left.reading = left.reading.min(raw.reading);
        left.waiting = left.waiting.min(raw.waiting);
        Counters {
            active: raw.active.saturating_sub(left.active),
            reading: raw.reading.saturating_sub(left.reading),
            writing: raw.writing.saturating_sub(left.writing),
            waiting: raw.waiting.saturating_sub(left.waiting),
            ..raw
        }
    }

    fn compare(&mut self, raw: Counters, others: u64) {
        self.polls_left = self.polls_left.saturating_sub(1);
        let more = raw.active.saturating_sub(1).saturating_sub(others);
        let least = self.least.map_or(more, |least| least.min(more));
        self.least = Some(least);
        self.left.active = least;
        if others > 0 {
            return;
        }
        let idle = Left {
            active: least,
            reading: raw.reading,
            writing: raw.writing.saturating_sub(1),
            waiting: raw.waiting,
        };
        let before = self.least_idle.unwrap_or(idle);
        let idle = Left {
            active: least,
            reading: before.reading.min(idle.reading),
            writing: before.writing.min(idle.writing),
            waiting: before.waiting.min(idle.waiting),
        };
        self.least_idle = Some(idle);
        self.left = idle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many connections, all idle but the one that asks.
    fn said(active: u64, accepted: u64) -> Counters {
        Counters {
            active,
            accepted,
            handled: accepted,
            requests: accepted,
            reading: 0,
            writing: 1,
            waiting: active - 1,
        }
    }

    fn shown(residue: &mut Residue, raw: Counters, others: Option<u64>) -> (u64, u64) {
        let counters = residue.take(raw, others);
        (counters.active, counters.waiting)
    }

    #[test]
    fn what_a_dead_worker_left_is_taken_off_until_the_next_dies() {
        let mut residue = Residue::new();
        assert_eq!(shown(&mut residue, said(7, 7), Some(6)), (7, 6));
        for accepted in 8..10 {
            residue.take(said(7, accepted), Some(6));
        }
        assert!(!residue.needs_the_kernel());
        // Six connections die with their worker, and nothing tells that yet.
        assert_eq!(shown(&mut residue, said(7, 10), None), (7, 6));
        residue.may_have_grown();
        assert!(residue.needs_the_kernel());
        assert_eq!(shown(&mut residue, said(7, 11), Some(0)), (1, 0));
        assert_eq!(shown(&mut residue, said(9, 13), None), (3, 2));
        // The next takes two with it while one more is open: how it waits cannot be told.
        residue.may_have_grown();
        assert_eq!(shown(&mut residue, said(10, 14), Some(1)), (2, 3));
    }

    #[test]
    fn the_least_of_the_differences_counts() {
        let mut residue = Residue::new();
        assert_eq!(residue.take(said(50, 50), Some(40)).active, 41);
        assert_eq!(residue.take(said(50, 60), Some(48)).active, 49);
        assert_eq!(residue.take(said(50, 70), Some(46)).active, 49);
        assert!(!residue.needs_the_kernel());
        // More in the kernel than nginx knows: not accepted by this nginx.
        residue.may_have_grown();
        assert_eq!(residue.take(said(50, 80), Some(90)).active, 50);
    }

    #[test]
    fn too_much_is_put_right_when_less_is_left() {
        let mut residue = Residue::new();
        assert_eq!(residue.take(said(50, 50), Some(30)).active, 31);
        assert_eq!(residue.take(said(6, 60), None).active, 1);
        assert_eq!(residue.take(said(8, 70), None).active, 3);
        // Hostile or broken: never below zero.
        let zero = Counters {
            accepted: 90,
            requests: 90,
            ..Counters::default()
        };
        assert_eq!(residue.take(zero, Some(u64::MAX)), zero);
    }

    #[test]
    fn new_shared_memory_is_a_new_beginning() {
        let mut residue = Residue::new();
        for accepted in 100..103 {
            residue.take(said(7, accepted), Some(0));
        }
        assert!(!residue.needs_the_kernel());
        assert_eq!(residue.take(said(3, 3), None).active, 3);
        assert!(residue.needs_the_kernel());
    }

    #[test]
    fn dropped_connections_are_counted_from_the_first_look() {
        let mut residue = Residue::new();
        let gap = |accepted, handled| Counters {
            handled,
            ..said(1, accepted)
        };
        residue.take(gap(100, 60), None);
        assert_eq!(residue.dropped(), 0);
        residue.take(gap(117, 67), None);
        assert_eq!(residue.dropped(), 10);
        residue.take(gap(5, 3), None);
        assert_eq!(residue.dropped(), 12);
        residue.nothing_to_compare();
        residue.take(gap(900, 1), None);
        assert_eq!(residue.dropped(), 12);
    }
}

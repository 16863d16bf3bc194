//! What became of earlier files: after a rotation, a truncation, a restart.

use super::{Follower, LINGER, MAX_ROTATED, Progress, SLACK_SECONDS, seconds};
use crate::clock::Time;
use crate::follow::mark::{MAX_EARLIER, Mark, Position};
use crate::follow::siblings::{self, Found, Search, begin_alike};
use crate::follow::tail::{Tail, Tally};

impl Follower {
    pub(super) fn resume(&mut self, position: Position) {
        let since = i64::try_from(position.time).unwrap_or(i64::MAX);
        let linger = i64::try_from(LINGER.as_secs()).unwrap_or(i64::MAX);
        let recent = seconds(Time::now()).saturating_sub(linger);
        self.there = Time(position.time.saturating_mul(1_000_000));
        self.finished = position.earlier.into_iter().take(MAX_EARLIER).collect();
        let _ = self.open();
        let Some(mark) = position.current else {
            let found = self.search_with(None, &[], since, recent);
            return self.resumed(found);
        };
        let fitting = self
            .current
            .as_mut()
            .filter(|tail| mark.fits(tail.identity(), tail.size(), tail.head()));
        if let Some(current) = fitting {
            current.go_to(mark.offset);
            let was_empty = mark.head.bytes == 0;
            if was_empty || !self.finished.is_empty() {
                // An empty file may have been filled, copied and emptied.
                let since = if was_empty { since } else { i64::MAX };
                let found = self.search_with(None, &[], since, recent);
                self.resumed(found);
            }
            return;
        }
        let same = self.identity() == Some((mark.device, mark.inode));
        self.pending.read.truncations = u64::from(same);
        self.pending.rotations = u64::from(!same && self.current.is_some());
        let found = self.search_with(Some(mark), &[], since, recent);
        self.pending.gaps = found.compressed.max(u64::from(!found.wanted));
        self.resumed(found);
        self.remember(mark);
    }

    fn resumed(&mut self, found: Found) {
        let mut progress = std::mem::take(&mut self.pending);
        self.take_up(found, &mut progress);
        self.pending = progress;
    }

    /// Looks for earlier files with something unread in them.
    pub(super) fn search(&mut self, since: i64) -> Found {
        self.search_with(None, &[], since, i64::MAX)
    }

    pub(super) fn search_with(
        &mut self,
        wanted: Option<Mark>,
        began: &[u8],
        since: i64,
        recent: i64,
    ) -> Found {
        let open = self.rotated.iter().map(Tail::mark);
        let known: Vec<Mark> = self.finished.iter().copied().chain(open).collect();
        let search = Search {
            wanted,
            began,
            known: &known,
            since: since.saturating_sub(SLACK_SECONDS),
            recent,
        };
        // A copy of the log is passed over because the log has it all still: until it has not.
        let live = self.current.as_mut();
        let was_empty = &mut self.was_empty;
        siblings::find(&self.root, &self.path, &search, || {
            let head = live.map(Tail::note_head);
            *was_empty = head.as_ref().is_some_and(Vec::is_empty);
            head
        })
    }

    /// Whether a file that was found empty beside the log turns out to be a copy of what is still at
    /// the path: copytruncate was at work when it was found.
    pub(super) fn is_copy_being_made(&mut self, tail: &Tail) -> bool {
        tail.head().is_empty()
            && self
                .current
                .as_mut()
                .is_some_and(|live| begin_alike(&tail.head_by_now(), &live.note_head()))
    }

    /// Goes on with what was found, except for what is open already; whether there was any.
    pub(super) fn take_up(&mut self, found: Found, progress: &mut Progress) -> bool {
        progress.read.skipped_bytes += found.skipped_bytes;
        let before = self.rotated.len();
        for tail in found.tails {
            let identity = tail.identity();
            if Some(identity) == self.identity()
                || self.rotated.iter().any(|open| open.identity() == identity)
            {
                continue;
            }
            self.finished
                .retain(|mark| (mark.device, mark.inode) != identity);
            self.rotated.push_back(tail);
        }
        let any = self.rotated.len() > before;
        while self.rotated.len() > MAX_ROTATED
            && let Some(oldest) = self.rotated.pop_front()
        {
            progress.read.skipped_bytes += oldest.unread();
            self.finish(oldest, &mut progress.read);
        }
        any
    }

    /// The file that has come to the path, gone to where it was read to if it was followed before: a
    /// file may be renamed away and back. Whether it was.
    pub(super) fn take_back(&mut self, mut new: Tail) -> (Tail, bool) {
        let identity = new.identity();
        let open = self.rotated.iter();
        let open = open.map(Tail::identity).position(|open| open == identity);
        if let Some(open) = open.and_then(|at| self.rotated.remove(at)) {
            return (open, true);
        }
        let (size, head) = (new.size(), new.head().to_vec());
        let is_it =
            |mark: &Mark| (mark.device, mark.inode) == identity && mark.fits(identity, size, &head);
        let known = self.finished.iter().rposition(is_it);
        match known.and_then(|at| self.finished.remove(at)) {
            Some(mark) => {
                new.go_to(mark.offset);
                (new, true)
            }
            None => (new, false),
        }
    }

    pub(super) fn finish(&mut self, mut tail: Tail, tally: &mut Tally) {
        tail.give_up(tally);
        self.remember(tail.mark());
    }

    /// Keeps what tells a file that was read from one that came unseen.
    pub(super) fn remember(&mut self, mark: Mark) {
        let is_read = |tail: &Tail| mark.is_of(tail.identity(), tail.head());
        if self.rotated.iter().any(is_read) {
            return;
        }
        self.finished.push_back(mark);
        if self.finished.len() > MAX_EARLIER {
            self.finished.pop_front();
        }
    }
}

//! Answers of which the kernel half tells after their lines: its records may wait longer than a log.

use std::time::Duration;

use super::{Cases, MAX_LOOKS, same};
use crate::{clock::Time, facts::Instance, requests::Answer};

/// An answer is told of at most this long after its line was written.
const AFTER_LINE: Duration = Duration::from_secs(2);

impl Cases {
    /// The answer that the kernel half tells of, where a line has told of it already: the same
    /// request of the same client, sent before the line was read.
    pub(in super::super) fn of_answer(
        &self,
        (time, instance): (Time, &Instance),
        answer: &Answer,
        status: u16,
    ) -> Option<u64> {
        let key = same::key(answer.request.as_ref());
        if key == 0 {
            return None;
        }
        let of = same::of_client(key, answer.client.as_deref(), None);
        let ids = self.by_client.get(&(instance.clone(), of))?;
        let fits = |id: &&u64| {
            self.all.get(id).is_some_and(|case| {
                case.unseen
                    && case.status == status
                    && time <= case.time
                    && case.time.since(time) <= AFTER_LINE
            })
        };
        // The oldest of them.
        let mut recent = ids.iter().rev().take(MAX_LOOKS);
        recent.rfind(fits).copied()
    }

    /// Adds what the kernel half says to the answer that [`Self::of_answer`] found. One that is
    /// decided is not changed.
    pub(in super::super) fn add_answer(&mut self, id: u64, answer: Box<Answer>) {
        if let Some(case) = self.all.get_mut(&id) {
            case.unseen = false;
            if case.due.is_some() {
                case.attempts = answer.attempts.len().max(1);
                case.answer = Some(answer);
            }
        }
    }
}

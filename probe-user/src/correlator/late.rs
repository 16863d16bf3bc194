//! Answers of which the kernel half tells after the access log.

use super::{Correlator, subjects::Subjects, summary};
use crate::{clock::Time, facts::Instance, requests::Answer};

impl Correlator {
    /// The kernel half tells of an answer that a line has told of.
    pub(super) fn answered_again(
        &mut self,
        id: u64,
        (time, instance): (Time, &Instance),
        answer: Box<Answer>,
        status: u16,
    ) {
        let decided = self.cases.decided(id);
        let piece = summary::of_answer(&answer, status);
        self.cases.add_answer(id, answer);
        if let Some(cause) = decided {
            let upstream = self.cases.upstream(id);
            self.append(
                time,
                instance,
                cause,
                upstream.as_deref(),
                (piece, Subjects::default()),
            );
        } else {
            self.cases.take_notes(id, time);
            self.settle(id, false);
        }
    }
}

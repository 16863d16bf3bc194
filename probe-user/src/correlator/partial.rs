//! Answers that a client got in part, or not at all, while its nginx lived on.

use super::{
    Correlator,
    cases::{Case, WAIT},
};
use crate::{
    clock::Time,
    error_log,
    facts::{Instance, Noted},
    requests::Answer,
};

/// `101 Switching Protocols`: what comes after it is no answer.
const SWITCHED: u16 = 101;
/// What a client was sent that was sent nothing.
const NOTHING: u16 = 0;
/// Answers that are failures whether they are whole or not, and told of as such.
const SERVER_ERROR: u16 = 500;

impl Correlator {
    /// The kernel half tells of an answer that had begun when nginx said a message, or of a connection
    /// that nginx closed while the client waited. Both are failures where the message says so: a
    /// client that is too slow is left without an answer as well.
    pub(super) fn partial(&mut self, time: Time, instance: &Instance, answer: Box<Answer>) {
        let status = if answer.cut {
            NOTHING
        } else {
            answer.status.unwrap_or(NOTHING)
        };
        if answer.late && (status >= SERVER_ERROR || matches!(status, NOTHING | SWITCHED)) {
            return;
        }
        if !spoils(&answer) {
            return;
        }
        if let Some(id) = self.cases.of_answer((time, instance), &answer, status) {
            return self.answered_again(id, (time, instance), answer, status);
        }
        let id = self
            .cases
            .begin((time, instance), (Some(answer), None), status);
        self.cases.take_notes(id, time);
        // What the log says of it tells whether it is about a mirror.
        let mirrored = self.returns.get(instance);
        let mirrored = mirrored.is_some_and(|returns| returns.mirrors_any());
        if mirrored && self.sources(instance).error_log {
            self.cases.wait(id, self.now.plus(WAIT));
            self.settle(id, false);
        } else {
            self.settle(id, true);
        }
    }

    /// Whether a message about an answer that had begun may be about a request that is mirrored,
    /// which is no client's affair.
    pub(super) fn may_be_mirrored(&self, case: &Case) -> bool {
        let Some(returns) = self.returns.get(&case.instance) else {
            return false;
        };
        let late = case.answer.as_ref().is_some_and(|answer| answer.late);
        let is_own = |note: &Noted| {
            let part = note.subrequest.as_deref();
            note.class.cause.is_some() && !part.is_some_and(|part| returns.mirrors(part))
        };
        late && returns.mirrors_any() && !case.notes.iter().any(is_own)
    }
}

/// Whether the message says that the answer cannot go on.
fn spoils(answer: &Answer) -> bool {
    let Some(message) = answer.explained() else {
        return false;
    };
    match message.class.answer {
        error_log::Answer::Status(status) => status >= SERVER_ERROR,
        error_log::Answer::Fails => true,
        error_log::Answer::Unharmed | error_log::Answer::NoAnswer => false,
    }
}

//! Which answer a message of the error log is about.

use std::time::Duration;

use super::{
    Cases, MAX_LOOKS, MAX_NOTES,
    same::{key, of_client, same_client, trim_noted},
};
use crate::{
    clock::Time,
    facts::{Instance, Noted},
    requests::Answer,
};

/// What no class knows is about an answer that comes so soon after it.
const WORDS_BEFORE: Duration = Duration::from_secs(2);
/// Messages that are kept of one answer, those that say words only among them.
const MAX_KEPT: usize = 2 * MAX_NOTES;

impl Cases {
    /// The answer that a message is about: the oldest that waits, else one that is decided.
    pub(in super::super) fn of_note(&mut self, instance: &Instance, note: &Noted) -> Option<u64> {
        let cases = &self.all;
        let request = key(note.request.as_ref());
        let mut found = None;
        for key in [request, 0] {
            let of = of_client(key, note.client.as_deref(), Some(note.pid));
            let Some(ids) = self.by_note.get_mut(&(instance.clone(), of)) else {
                continue;
            };
            trim_noted(ids, cases);
            // Of a request that nobody could read only its upstream is known.
            let of_upstream =
                |answer: &Answer| answer.upstream.is_some() && answer.upstream == note.upstream;
            let fits = |id: &&u64| {
                let case = cases.get(id).filter(|case| case.may_have(note.class));
                case.is_some_and(|case| key != 0 || case.answer.as_deref().is_some_and(of_upstream))
            };
            let waits = |id: &&u64| cases.get(id).is_some_and(|case| case.due.is_some());
            // Those that wait are the last, and of a storm of the same the first as well.
            let mut last = ids.iter().rev().take(MAX_LOOKS).filter(fits);
            let mut first = ids.iter().take(MAX_LOOKS).filter(fits);
            let decided = last.clone().next().or_else(|| first.clone().next());
            found = (last.rfind(waits))
                .or_else(|| first.find(waits))
                .or(decided.filter(|_| key != 0))
                .copied();
            if found.is_some() || key == 0 {
                break;
            }
        }
        found
    }

    pub(in super::super) fn add_note(&mut self, id: u64, note: Noted) {
        if let Some(case) = self.all.get_mut(&id) {
            case.count_note(&note);
            if case.due.is_some() && case.notes.len() < MAX_KEPT {
                case.notes.push(note);
            }
        }
    }

    /// Takes the messages that came before it.
    pub(in super::super) fn take_notes(&mut self, id: u64, now: Time) {
        let Some(case) = self.all.get_mut(&id) else {
            return;
        };
        while case.noted < case.attempts.clamp(1, MAX_NOTES) {
            let wanted = |time: Time, note: &Noted| {
                let connection = case.logged.as_ref().and_then(|logged| logged.connection);
                let same = match (connection, note.connection) {
                    (Some(one), Some(other)) => one == other,
                    _ => same_client(case.client.as_deref(), note.client.as_deref()),
                };
                // Anybody's words are said just before the answer, if they are about it at all.
                let near = !note.class.says_words() || now.since(time) <= WORDS_BEFORE;
                same && near && case.may_have(note.class)
            };
            let Some(note) = self.notes.take(&case.instance, case.key, now, wanted) else {
                return;
            };
            case.count_note(&note);
            if case.notes.len() < MAX_KEPT {
                case.notes.push(note);
            }
        }
    }
}

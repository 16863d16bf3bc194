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

/// A message that might be about many answers is about one that comes so soon after it.
const JUST_BEFORE: Duration = Duration::from_secs(2);
/// Messages that are kept of one answer, those that say words only among them.
const MAX_KEPT: usize = 2 * MAX_NOTES;

impl Cases {
    /// The answer that a message is about: the oldest that waits, else one that is decided.
    pub(in super::super) fn of_note(&mut self, instance: &Instance, note: &Noted) -> Option<u64> {
        let cases = &self.all;
        let request = key(note.request.as_ref());
        let client = note.client.as_deref();
        let of_pid = of_client(0, client, Some(note.pid));
        // A log may tell no client. Of a request that nobody could read only its upstream is known.
        let named = [client, None].map(|client| of_client(request, client, Some(note.pid)));
        for (of, is_named) in named
            .map(|of| (of, true))
            .into_iter()
            .chain([(of_pid, false)])
        {
            if is_named && request == 0 {
                continue;
            }
            let Some(ids) = self.by_note.get_mut(&(instance.clone(), of)) else {
                continue;
            };
            trim_noted(ids, cases);
            let of_upstream =
                |answer: &Answer| answer.upstream.is_some() && answer.upstream == note.upstream;
            let fits = |id: &&u64| {
                let case = cases
                    .get(id)
                    .filter(|case| case.may_have(note.class) && !case.is_of_another(note));
                case.is_some_and(|case| is_named || case.answer.as_deref().is_some_and(of_upstream))
            };
            let waits = |id: &&u64| cases.get(id).is_some_and(|case| case.due.is_some());
            // Those that wait are the last, and of a storm of the same the first as well.
            let mut last = ids.iter().rev().take(MAX_LOOKS).filter(fits);
            let mut first = ids.iter().take(MAX_LOOKS).filter(fits);
            let decided = last.clone().next().or_else(|| first.clone().next());
            let found = (last.rfind(waits))
                .or_else(|| first.find(waits))
                .or(decided.filter(|_| is_named))
                .copied();
            if found.is_some() {
                return found;
            }
        }
        self.of_bare_line(instance, note)
    }

    /// The oldest answer that waits of which a log told nothing but the status: any message that may
    /// be about one is about this one.
    fn of_bare_line(&self, instance: &Instance, note: &Noted) -> Option<u64> {
        let waiting = self.waiting.iter().take(MAX_LOOKS);
        let fits = |id: &&u64| {
            self.all.get(id).is_some_and(|case| {
                case.is_bare() && case.instance == *instance && case.may_have(note.class)
            })
        };
        waiting.map(|(_, id)| id).find(fits).copied()
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
                let client = case.client.as_deref();
                let (same, sure) = match (connection, note.connection) {
                    (Some(one), Some(other)) => (one == other, true),
                    _ if client.is_none() => (true, false),
                    _ => (same_client(client, note.client.as_deref()), true),
                };
                // What is not surely about it, or is anybody's words, is said just before it.
                let near = sure && !note.class.says_words() || now.since(time) <= JUST_BEFORE;
                same && near && case.may_have(note.class)
            };
            let note = if case.is_bare() {
                self.notes.take_any(&case.instance, now, wanted)
            } else {
                self.notes.take(&case.instance, case.key, now, wanted)
            };
            let Some(note) = note else {
                return;
            };
            case.count_note(&note);
            if case.notes.len() < MAX_KEPT {
                case.notes.push(note);
            }
        }
    }
}

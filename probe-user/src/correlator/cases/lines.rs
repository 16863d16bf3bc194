//! Which answer a line of the access log is about.

use super::{
    Case, Cases, MAX_LOOKS,
    same::{self, key, of_client, other_client, same_client, trim},
};
use crate::facts::{Instance, Logged};

impl Cases {
    /// The answer that a line of the access log is about, as far as it is told: the same request of
    /// the same client first, then the same request, then the same status.
    pub(in super::super) fn of_line(
        &mut self,
        instance: &Instance,
        logged: &Logged,
    ) -> Option<u64> {
        let request = (instance.clone(), key(logged.request.as_ref()));
        let cases = &self.all;
        let fits = |id: &u64| {
            let case = cases.get(id)?;
            let same = case.unlogged && case.status == logged.status;
            (same && same::asked(case.asked, logged)).then_some(case)
        };
        let mut found = None;
        if request.1 != 0
            && let Some(ids) = self.by_request.get_mut(&request)
        {
            trim(ids, cases);
            for (id, case) in ids
                .iter()
                .take(MAX_LOOKS)
                .filter_map(|id| Some((*id, fits(id)?)))
            {
                if same_client(case.client.as_deref(), logged.client.as_deref()) {
                    found = Some(id);
                    break;
                }
                found = found.or(Some(id));
            }
        }
        if found.is_none() {
            let status = (instance.clone(), logged.status);
            let ids = self.by_status.get_mut(&status)?;
            trim(ids, cases);
            let known = request.1 != 0;
            let mut ids = ids.iter().take(MAX_LOOKS);
            // One of which the request is known is some other line's, unless nginx's name of it
            // differs; another client's is so in any case. An agent that was away reads lines about
            // answers that it has not seen: they must not take those that it has.
            let client = logged.client.as_deref();
            let own = |case: &Case| {
                let another = known && logged.as_sent && case.whole;
                !another && !other_client(case.client.as_deref(), client)
            };
            found = ids
                .clone()
                .find(|id| fits(id).is_some_and(|case| !known || case.key == 0))
                .or_else(|| ids.find(|id| fits(id).is_some_and(own)))
                .copied();
        }
        found
    }

    /// Adds the line that [`Self::of_line`] found to be about it. One that is decided is not changed.
    pub(in super::super) fn add_line(&mut self, id: u64, logged: Box<Logged>) {
        if let Some(case) = self.all.get_mut(&id) {
            case.unlogged = false;
            case.connection = logged.connection.or(case.connection);
            if case.due.is_some() {
                case.status = logged.status;
                case.unread = false;
                if case.key == 0 {
                    case.key = key(logged.request.as_ref());
                    case.client.clone_from(&logged.client);
                    let of = of_client(case.key, case.client.as_deref(), None);
                    let of = (case.instance.clone(), of);
                    self.by_note.entry(of.clone()).or_default().push_back(id);
                    self.by_client.entry(of).or_default().push_back(id);
                }
                case.logged = Some(logged);
            }
        }
    }
}

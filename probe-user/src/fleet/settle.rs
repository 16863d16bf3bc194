//! What cannot be told at once: titles still to be set, reloads still to come to something.

use std::time::Duration;

use super::{Fleet, Track, children::LIST_NS, process::Look};

impl<T: Track> Fleet<T> {
    /// Looks at what is due. Call it again after [`Self::next_look`].
    pub fn settle(&mut self, now_ns: u64) {
        if !self.kernel.tells() && self.list_ns <= now_ns {
            self.list_ns = now_ns.saturating_add(LIST_NS);
            self.list_children(now_ns);
        }
        let due: Vec<(u32, Look)> = self
            .processes
            .iter()
            .filter_map(|(pid, process)| Some((*pid, process.look?)))
            .filter(|(_, look)| look.at_ns <= now_ns)
            .collect();
        for (pid, look) in due {
            if let Some(process) = self.processes.get_mut(&pid) {
                process.look = Some(look.next(now_ns, process.child().is_some()));
            }
            self.look_at(pid);
        }
        self.settle_reloads(now_ns);
        self.settle_orphans(now_ns);
        self.assign_slots();
    }

    /// How long nothing is due; `None` while nothing is waited for.
    #[must_use]
    pub fn next_look(&self, now_ns: u64) -> Option<Duration> {
        let looks = self
            .processes
            .values()
            .filter_map(|process| Some(process.look?.at_ns));
        let reloads = self
            .masters
            .values()
            .filter_map(|master| Some(master.reload?.look_ns));
        let list = (!self.kernel.tells() && !self.masters.is_empty()).then_some(self.list_ns);
        let next_ns = looks
            .chain(reloads)
            .chain(list)
            .chain(self.strays.due_ns())
            .min()?;
        Some(Duration::from_nanos(next_ns.saturating_sub(now_ns)))
    }
}

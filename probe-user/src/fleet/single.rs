//! An nginx that runs as one process (`master_process off`): it has no worker that could be told from
//! its master, so it is not followed, and named.

use super::{Fleet, Track, attempt::Budget, process::Kind};
use crate::{
    clock::boot_ns_now,
    config::{self, command},
};

/// By then an nginx has become a master, unless it never will, in nanoseconds.
const DECIDED_NS: u64 = 1_000_000_000;
/// Such processes that are named one by one, as long as the agent runs: anybody may start more.
const MAX_NAMED: usize = 16;

/// How many were named, and how many may be looked at within a second.
#[derive(Debug, Default)]
pub(super) struct Singles {
    named: usize,
    budget: Budget,
}

impl<T: Track> Fleet<T> {
    /// Looks once whether a process that has not become a master in a while is meant to be none.
    pub(super) fn look_at_single(&mut self, pid: u32) {
        let Some(process) = self.processes.get(&pid) else {
            return;
        };
        let started_ns = process.started_ns;
        let young = boot_ns_now().saturating_sub(started_ns) < DECIDED_NS;
        if young || process.single.is_some() || !matches!(process.kind, Kind::Candidate) {
            return;
        }
        if self.singles.named >= MAX_NAMED || !self.singles.budget.take(boot_ns_now()) {
            return; // looked at again later
        }
        let single = self.attempt_of(pid, started_ns).is_some_and(|attempt| {
            let build = config::Build::of_process(self.proc.root(), pid).unwrap_or_default();
            attempt.task() == command::Task::Serve
                && self.selection.wants(pid)
                && !attempt.settings_by(&build).process.master_process
        });
        self.singles.named += usize::from(single);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.single = Some(single);
        }
    }

    /// What is to be said of each nginx that is one process alone; of some of them, if there are many.
    pub fn singles(&self) -> Vec<String> {
        let singles = self.processes.iter();
        let singles = singles.filter(|(_, process)| process.single == Some(true));
        let mut pids: Vec<_> = singles.map(|(pid, _)| *pid).collect();
        pids.sort_unstable();
        let in_words = |pid| {
            format!(
                "process {pid} is an nginx without a master (master_process off), which is not \
                 followed: its failures and its end are not seen"
            )
        };
        pids.into_iter().map(in_words).collect()
    }
}

//! One process that the agent follows.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::attempt::Attempt;
use crate::{
    clock::boot_ns_now,
    facts::{Crash, Instance, Role},
    requests::LostRequest,
    signals::Sent,
};

/// Requests without an answer that are kept of each worker, whose connections it closed.
const MAX_CUT: usize = 512;
/// A worker whose `worker_shutdown_timeout` is over closes every connection and ends, in one turn.
const LAST_MOMENTS_NS: u64 = 1_000_000_000;
/// nginx counts in milliseconds, from when it handles the signal.
const SLACK: Duration = Duration::from_millis(500);
/// The last signals that are kept of each process: one that matters is among the last.
const MAX_SIGNALS: usize = 16;

/// A process: a master, a child of one, or what may become a master.
#[derive(Debug)]
pub(super) struct Process {
    /// Who forked it.
    pub parent: u32,
    /// Nanoseconds since boot.
    pub started_ns: u64,
    /// Up to when `/proc` told of it, in nanoseconds since boot: older records tell nothing new.
    pub known_ns: u64,
    /// It runs a program of its own: what it is cannot be told from its parent's title.
    pub executed: bool,
    /// What it is, as far as is known.
    pub kind: Kind,
    /// Signals that it was sent, oldest first.
    pub signals: Vec<Sent>,
    /// Resident bytes when the OOM killer marked it, zero when the kernel did not say.
    pub oom: Option<u64>,
    /// Where it crashed.
    pub crash: Option<Crash>,
    /// What it was started for, of what may become a master.
    pub attempt: Option<Arc<Attempt>>,
    /// It called itself a master, though it is none that is followed.
    pub was_master: bool,
    /// Whether it is a whole nginx by itself, once that was looked at.
    pub single: Option<bool>,
    /// When its title is looked at next, and how long to wait after that.
    pub look: Option<Look>,
}

/// What a process is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A program of a watched name, or its child, that may become a master.
    Candidate,
    /// A master.
    Master(Instance),
    /// A child of a master.
    Child(Child),
}

/// A child of a master.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Child {
    pub instance: Instance,
    pub generation: u32,
    pub role: Role,
    /// Its start was reported.
    pub announced: bool,
    /// Told to end once its connections have.
    pub draining: bool,
    /// Since when, in nanoseconds since boot; zero when that is not known.
    pub draining_since_ns: u64,
    /// Requests that it closed the connections of, the last ones, and when.
    pub cut: VecDeque<(u64, LostRequest)>,
    /// Stands for it in metric labels: see `slots`.
    pub slot: Option<u32>,
    /// Forked after a SIGHUP, or where none can be seen, when nobody had to be replaced: once it
    /// says what it is, it proves that the reload went well.
    pub since_hup: bool,
    /// Forked after a SIGUSR2: it may be there to run a new binary.
    pub may_be_binary: bool,
}

impl Child {
    /// One that has not yet said what it is.
    pub(super) fn new(instance: Instance, generation: u32) -> Self {
        Self {
            instance,
            generation,
            role: Role::Unknown,
            announced: false,
            draining: false,
            draining_since_ns: 0,
            cut: VecDeque::new(),
            slot: None,
            since_hup: false,
            may_be_binary: false,
        }
    }

    /// It is told to end once its connections have, at this time.
    pub(super) fn drain(&mut self, now_ns: u64) {
        if !std::mem::replace(&mut self.draining, true) {
            self.draining_since_ns = now_ns;
        }
    }

    /// It closed the connection of a client that waited, without an answer.
    pub(super) fn cut(&mut self, time_ns: u64, request: LostRequest) {
        if self.cut.len() == MAX_CUT {
            self.cut.pop_front();
        }
        self.cut.push_back((time_ns, request));
    }

    /// The requests that it cut off to end at this time: those of its last moments, when it had
    /// drained for as long as it may.
    pub(super) fn cut_by_timeout(
        &self,
        timeout: Option<Duration>,
        ended_ns: u64,
    ) -> Vec<LostRequest> {
        let drained = Duration::from_nanos(ended_ns.saturating_sub(self.draining_since_ns));
        let over = timeout.is_some_and(|timeout| drained + SLACK >= timeout);
        if !self.draining || !over {
            return Vec::new();
        }
        let last = ended_ns.saturating_sub(LAST_MOMENTS_NS);
        let cut = self.cut.iter();
        cut.filter(|(time_ns, _)| *time_ns >= last)
            .map(|(_, request)| request.clone())
            .collect()
    }

    /// Forked after a SIGHUP, and has not yet said what it is.
    pub(super) const fn is_undecided(&self) -> bool {
        self.since_hup && !self.announced
    }
}

/// A look at a title that is still to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub at_ns: u64,
    pub wait_ns: u64,
}

/// The first look comes at once, since most titles are set within a millisecond of the fork.
const FIRST_WAIT_NS: u64 = 1_000_000;
/// A child of a master says soon what it is.
const LAST_CHILD_WAIT_NS: u64 = 500_000_000;
/// A master that reads a large configuration takes seconds to set its title; when it then forks,
/// it is looked at at once. What never becomes one must cost nothing.
const LAST_WAIT_NS: u64 = 30_000_000_000;

impl Look {
    pub(super) fn soon() -> Self {
        Self {
            at_ns: boot_ns_now(),
            wait_ns: FIRST_WAIT_NS,
        }
    }

    pub(super) fn next(self, now_ns: u64, is_child: bool) -> Self {
        let longest = if is_child {
            LAST_CHILD_WAIT_NS
        } else {
            LAST_WAIT_NS
        };
        Self {
            at_ns: now_ns.saturating_add(self.wait_ns),
            wait_ns: self.wait_ns.saturating_mul(2).min(longest),
        }
    }
}

impl Process {
    pub(super) fn new(parent: u32, started_ns: u64, kind: Kind) -> Self {
        Self {
            parent,
            started_ns,
            known_ns: 0,
            executed: false,
            kind,
            signals: Vec::new(),
            oom: None,
            crash: None,
            attempt: None,
            was_master: false,
            single: None,
            look: Some(Look::soon()),
        }
    }

    pub(super) fn sent(&mut self, sent: Sent) {
        if self.signals.len() >= MAX_SIGNALS {
            self.signals.remove(0);
        }
        self.signals.push(sent);
    }

    pub(super) const fn child(&self) -> Option<&Child> {
        if let Kind::Child(child) = &self.kind {
            Some(child)
        } else {
            None
        }
    }

    pub(super) const fn child_mut(&mut self) -> Option<&mut Child> {
        if let Kind::Child(child) = &mut self.kind {
            Some(child)
        } else {
            None
        }
    }
}

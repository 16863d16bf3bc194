//! Workers that do not return to their event loop.
//!
//! A worker turns: it waits for events, returns, and handles them. One that has not returned for a
//! while and does not wait either is hung: it spins, or a call blocks it. The kernel half counts the
//! turns. Without it `/proc` alone tells of a worker that sleeps elsewhere, or that computes without a
//! single call; of one that makes calls in a loop it does not.
//!
//! Time counts only while the agent looks: a suspended machine, or a host that runs nobody, hangs no
//! worker.

mod read;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use self::read::{Place, Reader, Thread};
use crate::{clock::micros, facts::Instance, requests::LostRequest};

/// The longest time between two looks that counts.
const MAX_STEP: Duration = Duration::from_secs(2);
/// Per cent of a processor, above which a worker that runs is taken to spin, not to wait for one.
const SPINS: u64 = 10;
/// The same, for a worker that was just then not running.
const SPINS_MOSTLY: u64 = 50;

/// A worker to look at.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Process id in the pid namespace of the `/proc` that is read.
    pub pid: u32,
    /// Which nginx it is of.
    pub instance: Instance,
    /// It is of an older configuration and ends once its connections have.
    pub draining: bool,
}

/// How a worker hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It computes, or makes calls that do not block.
    Spinning,
    /// It would run, and is given no processor.
    Starved,
    /// A call does not return, or a page does not come.
    Blocked,
    /// It was stopped by a signal.
    Stopped,
}

/// A worker that hangs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hung {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// As in [`Subject`].
    pub draining: bool,
    /// How.
    pub how: How,
    /// At least for this long.
    #[serde(with = "micros")]
    pub lasted: Duration,
    /// As in `/proc/PID/stat`.
    pub state: char,
    /// Per cent of a processor that it used meanwhile.
    pub cpu_percent: u64,
    /// The system call that it is in.
    pub call: Option<String>,
    /// What its descriptor leads to.
    pub file: Option<String>,
    /// Functions of the kernel that it waits in, innermost first.
    pub stack: Vec<String>,
    /// Requests that it has not answered, the oldest first.
    pub requests: Vec<LostRequest>,
    /// All of them.
    pub requests_total: u64,
}

/// A worker that hung does so no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// How long it hung, to a second.
    #[serde(with = "micros")]
    pub lasted: Duration,
    /// It ended.
    pub ended: bool,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It hangs.
    Hung(Box<Hung>),
    /// It did.
    Returned(Returned),
}

/// Every worker as it was last seen.
#[derive(Debug)]
pub struct Watch {
    proc_root: PathBuf,
    after: Duration,
    workers: HashMap<u32, Seen>,
    last: Option<Instant>,
}

/// Changes whenever a worker turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Returns from waiting.
    Turns(u64),
    /// Sleeps, and time in the kernel.
    Proc(u64, u64),
}

#[derive(Debug)]
struct Seen {
    instance: Instance,
    mark: Mark,
    /// How long it has not turned, nor waited for events.
    stuck: Duration,
    /// It waited for events when it was last looked at.
    waits: bool,
    /// What it had used when that began, and when.
    begin: Option<(Thread, Instant)>,
    told: bool,
}

impl Watch {
    /// Nothing was seen yet. A worker hangs when it has not turned for `after`. `proc_root` is where the
    /// proc file system is mounted.
    #[must_use]
    pub fn new(proc_root: &Path, after: Duration) -> Self {
        Self {
            proc_root: proc_root.to_owned(),
            after,
            workers: HashMap::new(),
            last: None,
        }
    }

    /// Looks at these. `turns` gives how often a worker returned from waiting, where that is counted.
    pub fn look(
        &mut self,
        now: Instant,
        subjects: &[Subject],
        turns: impl Fn(u32) -> Option<u64>,
    ) -> Vec<(Instance, Change)> {
        let step = self.last.map_or(Duration::ZERO, |last| {
            now.duration_since(last).min(MAX_STEP)
        });
        self.last = Some(now);
        let mut before = std::mem::take(&mut self.workers);
        let mut changes = Vec::new();
        for subject in subjects {
            let known = before.remove(&subject.pid);
            let mark = self.mark(subject.pid, &turns);
            let mut seen = match known {
                Some(seen) if mark == Some(seen.mark) => seen,
                known => {
                    let ended = mark.is_none();
                    if let Some(change) = known.and_then(|seen| seen.returned(subject.pid, ended)) {
                        changes.push((subject.instance.clone(), change));
                    }
                    if let Some(mark) = mark {
                        let seen = Seen::new(&subject.instance, mark);
                        self.workers.insert(subject.pid, seen);
                    }
                    continue;
                }
            };
            if let Some(change) = self.unturned(subject, &mut seen, now, step, &turns) {
                changes.push((subject.instance.clone(), change));
            }
            self.workers.insert(subject.pid, seen);
        }
        for (pid, seen) in before {
            if let Some(change) = seen.returned(pid, true) {
                changes.push((seen.instance, change));
            }
        }
        changes
    }

    /// A worker without any turn so far may wait in another call, or be followed by nobody: there
    /// `/proc` is asked.
    fn mark(&self, pid: u32, turns: impl Fn(u32) -> Option<u64>) -> Option<Mark> {
        if let Some(turns) = turns(pid).filter(|turns| *turns > 0) {
            return Some(Mark::Turns(turns));
        }
        let reader = Reader(&self.proc_root, pid);
        Some(Mark::Proc(
            reader.switches()?,
            reader.thread()?.kernel_ticks,
        ))
    }

    /// It has not turned since the last look: it waits for events, or it is stuck.
    fn unturned(
        &self,
        subject: &Subject,
        seen: &mut Seen,
        now: Instant,
        step: Duration,
        turns: impl Fn(u32) -> Option<u64>,
    ) -> Option<Change> {
        let reader = Reader(&self.proc_root, subject.pid);
        let thread = reader.thread()?;
        let place = reader.place();
        let stopped = thread.state == b'T';
        if !stopped && Self::is_well(thread, place, seen.mark) {
            let change = seen.returned(subject.pid, false);
            *seen = Seen::new(&subject.instance, seen.mark);
            seen.waits = true;
            return change;
        }
        // It may have turned while we looked.
        if self.mark(subject.pid, turns) != Some(seen.mark) {
            return None;
        }
        if !seen.waits {
            seen.stuck += step;
        }
        seen.waits = false;
        // What it uses of a processor shows at the next look.
        let (begin, since) = *seen.begin.get_or_insert((thread, now));
        if seen.told || seen.stuck < self.after || since == now {
            return None;
        }
        seen.told = true;
        let cpu_percent = percent(begin, thread, now.duration_since(since));
        let how = match (thread.state, place) {
            (b'T', _) => How::Stopped,
            (b'R', _) | (_, Place::Running) if cpu_percent >= SPINS => How::Spinning,
            (b'R', _) | (_, Place::Running) => How::Starved,
            _ if cpu_percent >= SPINS_MOSTLY => How::Spinning,
            _ => How::Blocked,
        };
        let call = match (how, place) {
            (How::Blocked, Place::Call(number, argument)) => Some((number, argument)),
            _ => None,
        };
        Some(Change::Hung(Box::new(Hung {
            pid: subject.pid,
            draining: subject.draining,
            how,
            lasted: seen.stuck,
            state: thread.state.into(),
            cpu_percent,
            call: call.map(|(number, _)| read::name(number)),
            file: call
                .filter(|(number, _)| read::is_of_descriptor(*number))
                .and_then(|(_, descriptor)| reader.descriptor(descriptor)),
            stack: if how == How::Blocked {
                reader.stack()
            } else {
                Vec::new()
            },
            requests: Vec::new(),
            requests_total: 0,
        })))
    }

    /// It waits for events, or is looked at by a debugger, or ended, or we may not know.
    fn is_well(thread: Thread, place: Place, mark: Mark) -> bool {
        let old = matches!(mark, Mark::Proc(..));
        match place {
            _ if matches!(thread.state, b't' | b'Z' | b'X' | b'x') => true,
            Place::Call(call, _) => read::is_wait(call) || (old && read::is_old_wait(call)),
            Place::Unknown => thread.state == b'S',
            Place::Running | Place::NoCall => false,
        }
    }
}

impl Seen {
    fn new(instance: &Instance, mark: Mark) -> Self {
        Self {
            instance: instance.clone(),
            mark,
            stuck: Duration::ZERO,
            waits: false,
            begin: None,
            told: false,
        }
    }

    /// What is to be said when it turns, or ends.
    fn returned(&self, pid: u32, ended: bool) -> Option<Change> {
        self.told.then_some(Change::Returned(Returned {
            pid,
            lasted: self.stuck,
            ended,
        }))
    }
}

/// Processor time in per cent of real time.
fn percent(from: Thread, to: Thread, time: Duration) -> u64 {
    let ticks = |thread: Thread| thread.user_ticks.saturating_add(thread.kernel_ticks);
    let used = ticks(to).saturating_sub(ticks(from)).saturating_mul(10);
    let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    used.saturating_mul(100).checked_div(time).unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! How processes behind nginx ended.

use std::collections::VecDeque;

use nginx_probe_ebpf::{
    record::{self, Record},
    tracking,
};

use super::{Address, BackendExit, Table, planned};
use crate::{
    clock::Time,
    crash::{Mappings, Registers, Symbolizer, told},
    facts::{Crash, Event, Fact, Memory, Reason},
    lifecycle::{self, Status},
    signals::Sent,
};

/// The last signals, victims and crashes that are kept: those of an end come just before it.
pub(super) const MAX_KEPT: usize = 256;
const MAX_CRASHES: usize = 8;
/// Addresses that a record names.
const MAX_NAMED: usize = 8;

/// Crashes of processes whose end is still to come.
#[derive(Default)]
pub(super) struct Crashes {
    symbolizer: Symbolizer,
    last: VecDeque<Crashed>,
}

struct Crashed {
    pid: u32,
    /// What the record says, without the stack.
    at: record::CrashView<'static>,
    stack: Vec<u8>,
    /// Its own mappings, while it writes a core file.
    mappings: Option<Mappings>,
}

impl Table {
    /// Takes one record of the kernel side. `kill_of` gives what the kernel log says of an OOM kill.
    pub fn record(&mut self, record: &Record<'_>, kill_of: impl FnOnce(u32) -> Option<Memory>) {
        let pid = record.header().pid;
        match record {
            Record::Signal(signal) => keep(&mut self.signals, MAX_KEPT, (pid, signal.into())),
            Record::Oom(oom) => keep(&mut self.victims, MAX_KEPT, (pid, oom.rss_pages)),
            // Whose it is shows at its end; of a process that nobody asked for, that never comes.
            Record::Crash(crash) if !self.groups.is_empty() => self.crashed(pid, crash),
            Record::BackendExit(exit) => self.ended(exit, kill_of),
            _ => {}
        }
    }

    /// Frees what was kept to make a run of crashes cheap.
    pub fn forget_idle(&mut self, keep: std::time::Duration) {
        self.crashes.symbolizer.forget_idle(keep);
        self.crashes.last.clear();
    }

    fn crashed(&mut self, pid: u32, record: &record::CrashView<'_>) {
        let own = Mappings::read(self.proc.root(), pid).ok();
        let crashed = Crashed {
            pid,
            at: record::Crash {
                stack: &[],
                ..*record
            },
            stack: record.stack.to_vec(),
            mappings: own.filter(|own| !own.is_empty()),
        };
        keep(&mut self.crashes.last, MAX_CRASHES, crashed);
    }

    fn ended(&mut self, record: &record::BackendExit, kill_of: impl FnOnce(u32) -> Option<Memory>) {
        let (pid, time) = (record.header.pid, Time::of_boot_ns(record.header.time_ns));
        let member = self.processes.remove(&pid).map(|(_, member)| member);
        let signals = take(&mut self.signals, |(of, _)| *of == pid);
        let signals: Vec<Sent> = signals.into_iter().map(|(_, sent)| sent).collect();
        let oom = take(&mut self.victims, |(of, _)| *of == pid).pop();
        let crash = take(&mut self.crashes.last, |crash| crash.pid == pid).pop();
        let number = tracking::group(record.member);
        let Some(group) = self.groups.get(&number) else {
            return;
        };
        let leader = group.leader.pid == pid;
        if leader {
            // Served it may be still, or again: the next look tells.
            for key in group.keys() {
                self.serving.remove(&key);
            }
        }
        let status = Status::from(record.status);
        let (reason, sender) = lifecycle::classify(pid, status, &signals, oom.is_some());
        let meant = |code| planned::is_planned(&group.name, code, &signals);
        let reason = if status.exit_code.is_some_and(meant) {
            Reason::Graceful
        } else {
            reason
        };
        // Children come and go.
        if reason == Reason::Graceful && !leader {
            return;
        }
        let apart = member.is_some_and(|member| member.apart);
        let crash = crash.filter(|_| reason == Reason::Crash).and_then(|crash| {
            let theirs = group.mappings.as_ref().filter(|_| !apart);
            let mappings = crash.mappings.as_ref().or(theirs)?;
            let holders = [group.leader.pid, pid];
            let root = self.proc.root();
            Some(located(
                &mut self.crashes.symbolizer,
                &crash,
                mappings,
                (root, &holders),
            ))
        });
        let memory = (reason == Reason::OomKill).then(|| {
            let mut memory = kill_of(pid).unwrap_or_default();
            let pages = oom.map(|(_, pages)| pages).filter(|pages| *pages > 0);
            let bytes = pages.map(|pages| pages.saturating_mul(page_size()));
            memory.rss_bytes = memory.rss_bytes.or(bytes);
            memory
        });
        for (instance, addresses) in &group.serves {
            let named: Vec<_> = addresses
                .iter()
                .take(MAX_NAMED)
                .map(Address::shown)
                .collect();
            let exit = BackendExit {
                pid,
                backend: group.name.clone(),
                address: named.join(", "),
                reason,
                signal: status.signal_name(),
                exit_code: status.exit_code,
                core_dumped: status.core_dumped,
                sender: sender.clone(),
                memory: memory.clone(),
                crash: crash.clone(),
                omitted: 0,
                keys: addresses.iter().map(Address::key).collect(),
                leader,
            };
            self.facts.push(Fact {
                time,
                instance: instance.clone(),
                event: Event::BackendExit(Box::new(exit)),
            });
        }
    }
}

fn located(
    symbolizer: &mut Symbolizer,
    crash: &Crashed,
    mappings: &Mappings,
    (proc_root, holders): (&std::path::Path, &[u32]),
) -> Crash {
    let registers = Registers {
        ip: crash.at.ip,
        sp: crash.at.sp,
        fp: crash.at.fp,
        lr: crash.at.lr,
    };
    let frames = symbolizer.resolve(mappings, proc_root, holders, registers, &crash.stack);
    told(&crash.at, frames)
}

/// Keeps one more, and at most `most`.
fn keep<T>(all: &mut VecDeque<T>, most: usize, one: T) {
    if all.len() >= most {
        all.pop_front();
    }
    all.push_back(one);
}

/// Takes out those that match, oldest first.
fn take<T>(all: &mut VecDeque<T>, matches: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, rest): (VecDeque<T>, _) = std::mem::take(all).into_iter().partition(matches);
    *all = rest;
    taken.into()
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

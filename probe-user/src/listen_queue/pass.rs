//! One look at the queues of every nginx, and what changed since the last.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::Path,
};

use super::{
    Listener, Listening, Overflow, Target, dump, namespace, namespace::Namespace, overflows,
};
use crate::{facts::Instance, proc::Proc};

/// Listeners of an nginx that are told of one by one.
const MAX_LISTENERS: usize = 256;

/// What one pass saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every listener, in order.
    pub listeners: Vec<Listener>,
    /// Those without room.
    pub overflowed: Vec<Overflow>,
    /// `ListenOverflows` of all namespaces with an nginx since the last pass. Those before a
    /// namespace was seen first do not count.
    pub overflows: u64,
    /// Whose queues could not be looked at, and why.
    pub problems: Vec<(Instance, String)>,
    /// The thread cannot go on.
    pub stranded: bool,
}

/// What is kept between passes.
#[derive(Debug)]
pub struct Pass {
    proc: Proc,
    home: Option<Namespace>,
    overflows: HashMap<Namespace, Overflows>,
    sockets: HashMap<(Namespace, u64), Before>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Overflows {
    /// The counter.
    total: u64,
    /// What it grew by in the last pass.
    grown: u64,
    /// What it grew by, in this pass and the last, that no listener's drops have explained yet.
    unexplained: u64,
}

#[derive(Clone, Copy, Debug)]
struct Before {
    drops: Option<u32>,
    full: bool,
}

impl Pass {
    /// Nothing was seen yet. `proc_root` is where the proc file system is mounted.
    #[must_use]
    pub fn new(proc_root: &Path) -> Self {
        Self {
            proc: Proc::at(proc_root),
            home: Namespace::own(proc_root).ok(),
            overflows: HashMap::new(),
            sockets: HashMap::new(),
        }
    }

    /// Looks at the queues of these, in one dump of each namespace.
    pub fn look(&mut self, targets: &[Target]) -> Report {
        let mut report = Report::default();
        let mut groups: BTreeMap<Namespace, Vec<(&Target, u32)>> = BTreeMap::new();
        for target in targets {
            // One that is gone has no queues, and nothing to say.
            let found = target.pids.iter().find_map(|pid| {
                let namespace = Namespace::of(self.proc.root(), *pid).ok()?;
                Some((namespace, *pid))
            });
            if let Some((namespace, pid)) = found {
                groups.entry(namespace).or_default().push((target, pid));
            }
        }
        for (namespace, group) in &groups {
            let Some((_, pid)) = group.first() else {
                continue;
            };
            let sockets = self.dump(*namespace, *pid, &mut report);
            report.overflows += self.count(*namespace, *pid);
            match sockets {
                Ok(sockets) => {
                    for (target, _) in group {
                        self.of_target(target, *namespace, &sockets, &mut report);
                    }
                    let inodes: HashSet<u64> = sockets.iter().map(|socket| socket.inode).collect();
                    self.sockets
                        .retain(|(of, inode), _| of != namespace || inodes.contains(inode));
                }
                Err(why) => {
                    let problems = group.iter().map(|(target, _)| target.instance.clone());
                    report
                        .problems
                        .extend(problems.map(|instance| (instance, why.clone())));
                }
            }
        }
        self.overflows
            .retain(|namespace, _| groups.contains_key(namespace));
        self.sockets
            .retain(|(namespace, _), _| groups.contains_key(namespace));
        report
    }

    fn dump(
        &self,
        namespace: Namespace,
        pid: u32,
        report: &mut Report,
    ) -> Result<Vec<Listening>, String> {
        let of_dump = |error: io::Error| {
            format!("the kernel does not list listening sockets ({error}); is inet_diag built?")
        };
        if self.home == Some(namespace) {
            return dump::listening().map_err(of_dump);
        }
        match namespace::within(self.proc.root(), pid, dump::listening) {
            Ok(sockets) => sockets.map_err(of_dump),
            Err(Ok(error)) => Err(format!(
                "its network namespace cannot be entered ({error}); give the agent CAP_SYS_ADMIN"
            )),
            Err(Err(stranded)) => {
                report.stranded = true;
                let error = stranded.0;
                Err(format!(
                    "cannot come back from its network namespace: {error}"
                ))
            }
        }
    }

    /// Counts what overflowed since the last pass. Read after the sockets, so that what they dropped
    /// is in it.
    fn count(&mut self, namespace: Namespace, pid: u32) -> u64 {
        let Ok(total) = overflows::of(self.proc.root(), pid) else {
            return 0;
        };
        let first = Overflows {
            total,
            ..Overflows::default()
        };
        let known = self.overflows.entry(namespace).or_insert(first);
        let grown = total.saturating_sub(known.total);
        // What came between the last dump and its count is among the drops of this one.
        let late = known.unexplained.min(known.grown);
        *known = Overflows {
            total,
            grown,
            unexplained: grown.saturating_add(late),
        };
        grown
    }

    fn of_target(
        &mut self,
        target: &Target,
        namespace: Namespace,
        sockets: &[Listening],
        report: &mut Report,
    ) {
        let mut inodes = HashSet::new();
        for pid in &target.pids {
            if let Ok(more) = self.proc.sockets(*pid) {
                inodes.extend(more);
            }
        }
        let mut listeners: BTreeMap<&str, (Listener, u64, bool)> = BTreeMap::new();
        let own = sockets
            .iter()
            .filter(|socket| inodes.contains(&socket.inode));
        for socket in own {
            let known = listeners.contains_key(socket.name.as_str());
            if !known && listeners.len() >= MAX_LISTENERS {
                continue;
            }
            let (dropped, full) = self.of_socket(namespace, socket);
            let (listener, all_dropped, any_full) =
                listeners.entry(&socket.name).or_insert_with(|| {
                    let listener = Listener {
                        instance: target.instance.clone(),
                        name: socket.name.clone(),
                        length: 0,
                        limit: 0,
                    };
                    (listener, 0, false)
                });
            listener.length += u64::from(socket.length);
            listener.limit = listener.limit.max(socket.limit.into());
            *all_dropped += dropped;
            *any_full |= full;
        }
        for (listener, dropped, full) in listeners.into_values() {
            if dropped > 0 || full {
                report.overflowed.push(Overflow {
                    listener: listener.clone(),
                    dropped,
                });
            }
            report.listeners.push(listener);
        }
    }

    /// What a socket dropped for its full queue, and whether it is full for the second time.
    fn of_socket(&mut self, namespace: Namespace, socket: &Listening) -> (u64, bool) {
        let full = socket.length > socket.limit;
        let now = Before {
            drops: socket.drops,
            full,
        };
        let before = self.sockets.insert((namespace, socket.inode), now);
        let Some(before) = before else {
            return (0, false);
        };
        let grown = match (before.drops, socket.drops) {
            (Some(before), Some(now)) => u64::from(now.wrapping_sub(before)),
            _ => 0,
        };
        // Drops have other reasons too.
        let budget = self.overflows.entry(namespace).or_default();
        let dropped = grown.min(budget.unexplained);
        budget.unexplained -= dropped;
        (dropped, full && before.full)
    }
}

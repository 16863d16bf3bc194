//! What is kept of each master: its configuration, its mappings, what it was told and has not done.

use std::collections::VecDeque;

use super::place::Place;
use crate::{
    clock::boot_ns_now,
    config,
    container::Identity,
    crash::Mappings,
    facts::{Instance, Stop},
};

/// How long a death waits for the fork that replaces it, before it is taken for one that nginx
/// does not replace; and how long a new binary may take to be forked for.
const PATIENCE_NS: u64 = 2_000_000_000;
/// More deaths than this without a fork are not a matter of counting any more.
const MAX_OWED: usize = 1024;

/// A running master.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something else that was seen of it"
)]
pub(super) struct Master {
    pub pid: u32,
    pub instance: Instance,
    pub generation: u32,
    /// Its configuration; `None` when it could not be looked at.
    pub config: Option<config::Master>,
    /// Its container and unit, as they were when it was found.
    pub identity: Identity,
    /// It could not be looked at again after a reload: the configuration is an older one.
    pub stale: bool,
    /// The code that its workers inherit, kept for a crash after which nothing can be asked.
    pub mappings: Option<Mappings>,
    /// When its configuration was read last, in nanoseconds since boot.
    pub read_ns: u64,
    /// It was seen waiting for a signal since it forked its workers. Kept where `/proc` is all that
    /// tells of forks: until then, what it forks belongs together.
    pub settled: bool,
    /// When it was found, or was seen to have reloaded, in nanoseconds since boot.
    forking_ns: u64,
    /// A SIGHUP of which nothing came yet.
    pub reload: Option<Reload>,
    /// It was told to end, and takes no SIGHUP any more.
    pub stopping: bool,
    /// Who told it so.
    pub stop: Option<Stop>,
    /// When the OOM killer chose one of its processes last, in nanoseconds since boot.
    pub oom_ns: Option<u64>,
    /// Where it belongs to.
    pub place: Place,
    /// Its process id as it sees itself.
    pub inner_pid: u32,
    /// The first process of its pid namespace: the kernel ends all others with it.
    pub is_init: bool,
    /// When it was told to start a new binary (SIGUSR2), until a child of it runs one.
    upgrade_ns: Option<u64>,
    /// When workers died that nginx will replace.
    owed: VecDeque<u64>,
}

/// A SIGHUP that was sent and of which nothing came yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reload {
    /// Nanoseconds since boot.
    pub sent_ns: u64,
    /// When to look next whether the master waits again.
    pub look_ns: u64,
    /// The master was seen waiting again, with no worker of a new configuration.
    pub seen_waiting: bool,
}

impl Master {
    pub(super) fn new(pid: u32, instance: Instance, generation: u32) -> Self {
        Self {
            pid,
            instance,
            generation,
            config: None,
            identity: Identity::default(),
            stale: false,
            mappings: None,
            read_ns: 0,
            settled: false,
            forking_ns: boot_ns_now(),
            reload: None,
            stopping: false,
            stop: None,
            oom_ns: None,
            place: Place::default(),
            inner_pid: pid,
            is_init: false,
            upgrade_ns: None,
            owed: VecDeque::new(),
        }
    }

    pub(super) fn told_to_reload(&mut self, sent_ns: u64) {
        if !self.stopping {
            self.reload = Some(Reload {
                sent_ns,
                look_ns: sent_ns,
                seen_waiting: false,
            });
        }
    }

    pub(super) const fn told_to_upgrade(&mut self, sent_ns: u64) {
        self.upgrade_ns = Some(sent_ns);
    }

    /// A child of it runs a new binary.
    pub(super) const fn upgraded(&mut self) {
        self.upgrade_ns = None;
    }

    /// Whether a child forked now may be there to run a new binary.
    pub(super) fn may_upgrade(&self, now_ns: u64) -> bool {
        self.upgrade_ns
            .is_some_and(|told_ns| now_ns.saturating_sub(told_ns) < PATIENCE_NS)
    }

    /// A worker ended that nginx starts again. It does not do so for one that ends while the
    /// configuration is read: the reload starts as many as it needs (`ngx_signal_worker_processes`
    /// marks the dead one as told to end).
    pub(super) fn owe_replacement(&mut self, died_ns: u64) {
        if self.reload.is_none() && self.owed.len() < MAX_OWED {
            self.owed.push_back(died_ns);
        }
    }

    /// Whether a child forked then takes the place of one that died.
    pub(super) fn replaces(&mut self, forked_ns: u64) -> bool {
        self.forget_owed(forked_ns);
        self.replaced_one()
    }

    /// A child has taken the place of one that died; `false` when none had.
    pub(super) fn replaced_one(&mut self) -> bool {
        self.owed.pop_front().is_some()
    }

    /// How many workers died that nginx has still to replace.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }

    fn forget_owed(&mut self, now_ns: u64) {
        self.owed
            .retain(|died_ns| now_ns.saturating_sub(*died_ns) < PATIENCE_NS);
    }

    /// New workers were seen that nobody had to make room for: more of them may follow.
    pub(super) fn is_reloading(&mut self) {
        self.settled = false;
        self.forking_ns = boot_ns_now();
    }

    /// Whether it waited for a signal before its children were listed; `None` when nobody may know.
    /// A master that waits has forked all that it had to, and what it has not replaced for long, it
    /// does not replace.
    pub(super) fn looked_at(&mut self, waits: Option<bool>, now_ns: u64) {
        let quiet = now_ns.saturating_sub(self.forking_ns) > PATIENCE_NS;
        // What began since may go on.
        if waits.unwrap_or(quiet) && self.forking_ns <= now_ns {
            self.settled = true;
            self.forget_owed(now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> Master {
        Master::new(1, "x".into(), 1)
    }

    #[test]
    fn each_death_is_replaced_once() {
        let mut master = master();
        assert!(!master.replaces(1));
        master.owe_replacement(2);
        assert!(master.replaces(3));
        assert!(!master.replaces(3));
    }

    #[test]
    fn a_death_during_a_reload_is_not_replaced() {
        let mut master = master();
        master.told_to_reload(1);
        master.owe_replacement(2);
        assert!(!master.replaces(3));
    }

    #[test]
    fn a_death_that_is_never_replaced_is_forgotten() {
        let mut master = master();
        master.owe_replacement(1);
        assert!(!master.replaces(PATIENCE_NS + 1));
    }

    #[test]
    fn a_master_that_ends_takes_no_hup() {
        let mut master = master();
        master.stopping = true;
        master.told_to_reload(1);
        assert!(master.reload.is_none());
    }

    #[test]
    fn only_a_later_look_settles_a_master() {
        let mut master = master();
        let before = boot_ns_now();
        master.is_reloading();
        master.looked_at(Some(true), before - 1);
        assert!(!master.settled, "it waited before it reloaded");
        master.looked_at(Some(false), before + PATIENCE_NS * 2);
        assert!(!master.settled, "it has something to do");
        master.looked_at(Some(true), boot_ns_now());
        assert!(master.settled);
        master.is_reloading();
        master.looked_at(None, boot_ns_now());
        assert!(!master.settled, "nobody can tell yet");
        master.looked_at(None, boot_ns_now() + PATIENCE_NS + 1);
        assert!(master.settled);
    }

    #[test]
    fn a_death_is_owed_while_its_master_is_busy() {
        let mut master = master();
        master.owe_replacement(1);
        master.looked_at(Some(false), PATIENCE_NS * 9);
        assert_eq!(master.owed(), 1);
        master.looked_at(Some(true), boot_ns_now() + PATIENCE_NS * 9);
        assert_eq!(master.owed(), 0);
    }

    #[test]
    fn a_new_binary_is_waited_for_in_vain_at_some_time() {
        let mut master = master();
        assert!(!master.may_upgrade(1));
        master.told_to_upgrade(1);
        assert!(master.may_upgrade(2));
        assert!(!master.may_upgrade(PATIENCE_NS + 1));
        master.upgraded();
        assert!(!master.may_upgrade(2));
    }
}

//! The processes behind nginx: php-fpm, uWSGI, gunicorn, node. Only their ends count, and who sent
//! them signals.
//!
//! The agent names the first of them; what they fork belongs to their group without a record, so
//! that a program that forks for every request costs an entry and no more.

use aya_ebpf::{macros::map, maps::HashMap};
use nginx_probe_ebpf::{
    record::{BackendExit, Kind},
    tracking::{HELPER, inherited, is_end_told, is_told},
};

use crate::ring::{count_lost, header, send_common};

/// Flags and group of each process: see [`tracking`](nginx_probe_ebpf::tracking). A map of its own,
/// so that no backend takes nginx's room.
#[map]
static BACKENDS: HashMap<u32, u32> = HashMap::with_max_entries(1_024, 0);

/// What is kept of a process.
#[inline]
pub fn get(pid: u32) -> Option<u32> {
    // SAFETY: the value lives in the map and is one word.
    BACKENDS.get_ptr(pid).map(|member| unsafe { *member })
}

/// Whether signals to a process are told.
#[inline]
pub fn is_member(pid: u32) -> bool {
    get(pid).is_some_and(is_told)
}

/// A process of a backend has forked another.
#[inline]
pub fn forked(parent: u32, pid: u32) {
    if BACKENDS.insert(pid, inherited(parent), 0).is_err() {
        count_lost(Kind::BackendExit);
    }
}

/// A process replaces its program. What the agent found goes on as what it is: servers run
/// themselves anew to reload. Anything else is a helper from now on.
#[inline]
pub fn executed(pid: u32) {
    if let Some(member) = BACKENDS.get_ptr_mut(pid) {
        // SAFETY: the value lives in the map; only the process itself and the agent change it.
        unsafe {
            if inherited(*member) == *member {
                *member |= HELPER;
            }
        }
    }
}

/// A process has ended.
#[inline]
pub fn ended(pid: u32, status: u32) {
    let Some(member) = get(pid) else {
        return;
    };
    // Of two last threads, the one that removes the entry reports.
    if BACKENDS.remove(pid).is_ok() && is_end_told(member, status) {
        send_common(
            Kind::BackendExit,
            BackendExit {
                header: header(Kind::BackendExit, pid),
                status,
                member,
            },
        );
    }
}

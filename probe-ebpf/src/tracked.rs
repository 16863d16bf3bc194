//! The processes that the programs may look at.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::map, maps::HashMap};
use nginx_probe_ebpf::record::COMM_LEN;

/// Process (thread group) ids of masters, their children, and what may become a master.
#[map]
static TRACKED: HashMap<u32, u8> = HashMap::with_max_entries(4_096, 0);

/// Names of programs that are tracked from their start, padded with NUL.
#[map]
static NAMES: HashMap<[u8; COMM_LEN], u8> = HashMap::with_max_entries(64, 0);

/// The running process's id in the initial pid namespace.
#[inline]
pub fn current() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Whether a process is tracked.
#[inline]
pub fn contains(pid: u32) -> bool {
    TRACKED.get_ptr(pid).is_some()
}

/// Begins to track a process; `false` when there is no more room.
#[inline]
pub fn add(pid: u32) -> bool {
    TRACKED.insert(pid, 1, 0).is_ok()
}

/// Ends it. `true` for the one caller that really removed it.
#[inline]
pub fn remove(pid: u32) -> bool {
    TRACKED.remove(pid).is_ok()
}

/// Whether programs of that name are tracked from their start.
#[inline]
pub fn is_watched(comm: [u8; COMM_LEN]) -> bool {
    NAMES.get_ptr(comm).is_some()
}

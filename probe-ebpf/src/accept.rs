//! Connections that a worker takes, drops unserved, or cannot take.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use nginx_probe_ebpf::{
    connection::{CLIENT_LEN, Connection, Worker, flag, phase, role},
    layout::index,
    record::{AcceptDrop, Kind},
};

use crate::{
    ring::{header, send},
    seen::Seen,
    user, workers,
};

/// `EPOLL_CTL_ADD`.
const ADD: u32 = 1;

/// `accept4(listener, address, length, flags)`.
#[inline]
pub fn accepted(worker: &mut Worker, seen: &Seen, listener: u32) {
    if seen.errno != 0 {
        if worker.stalled_since_ns == 0 && is_exhaustion(seen.errno) {
            worker.stalled_since_ns = now();
            worker.stalled_errno = seen.errno as u32;
            worker.stalled_listener = listener + 1;
        }
        return;
    }
    worker.accepts += 1;
    worker.turn();
    resumed(worker, listener);
    let Some(connection) = workers::open(worker, seen.pid, seen.result as u32) else {
        return;
    };
    connection.role = role::CLIENT;
    connection.started_ns = now();
    let address = seen.registers.argument(index::REGS_ARG1);
    // SAFETY: the field has that length.
    unsafe { user::copy(&raw mut connection.client, address, CLIENT_LEN as u64) };
}

/// `epoll_ctl(epoll, operation, descriptor, event)`.
#[inline]
pub fn watched(worker: &mut Worker, seen: &Seen) {
    if seen.errno != 0 || seen.registers.argument(index::REGS_ARG1) as u32 != ADD {
        return;
    }
    let descriptor = seen.registers.argument(index::REGS_ARG2) as u32;
    resumed(worker, descriptor);
    if let Some(connection) = workers::connection(seen.pid, descriptor) {
        connection.flags |= flag::ADDED;
    }
}

/// A client's connection that is closed: nginx had no use for it when it neither read from it nor
/// waited for it.
#[inline]
pub fn closed(worker: &mut Worker, pid: u32, connection: &Connection) {
    if connection.phase != phase::NEW || connection.flags & (flag::ADDED | flag::OLDER) != 0 {
        return;
    }
    if worker.memory_failed == 0 {
        worker.dropped += 1;
        worker.dropped_at = worker.connections;
    } else {
        worker.dropped_memory += 1;
    }
    if crate::errnos::may_send(worker) {
        send(
            Kind::AcceptDrop,
            AcceptDrop {
                header: header(Kind::AcceptDrop, pid),
                connections: worker.connections,
                memory_errno: worker.memory_failed,
                client: connection.client,
            },
        );
    }
}

/// The listener is waited for again.
#[inline]
fn resumed(worker: &mut Worker, listener: u32) {
    if worker.stalled_since_ns != 0 && worker.stalled_listener == listener + 1 {
        worker.stalled_ns += now().saturating_sub(worker.stalled_since_ns);
        worker.stalled_since_ns = 0;
    }
}

/// `ENOMEM`, `ENFILE`, `EMFILE`, `ENOBUFS`: nginx takes the listener out of epoll for a while.
#[inline]
const fn is_exhaustion(errno: i32) -> bool {
    matches!(errno, 12 | 23 | 24 | 105)
}

#[inline]
fn now() -> u64 {
    // SAFETY: the helper takes nothing and cannot fail.
    unsafe { bpf_ktime_get_boot_ns() }
}

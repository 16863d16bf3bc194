//! Which answer each client got, and whose it was.
//!
//! A worker handles one event at a time. So the upstream that it turns to while it handles a
//! client's event works for that client (`Worker::focus`), and what the upstream sent is noted with
//! the client, because nginx closes the upstream's connection before it answers by itself.

pub mod client;
mod status;
pub mod upstream;

use nginx_probe_ebpf::{
    connection::{Connection, Worker, flag, outcome, phase, role},
    layout::index,
};

use crate::{accept, seen::Seen, user, workers};

const EINPROGRESS: i32 = 115;
/// `SOCK_DGRAM`, and the bits of a type that are flags.
const DATAGRAM: u64 = 2;
const TYPE: u64 = 0xf;

/// `socket(domain, type, protocol)`.
#[inline]
pub fn made(worker: &mut Worker, seen: &Seen) {
    let datagram = seen.registers.argument(index::REGS_ARG1) & TYPE == DATAGRAM;
    if seen.errno == 0
        && datagram
        && let Some(connection) = workers::open(worker, seen.pid, seen.result as u32)
    {
        connection.role = role::OTHER;
    }
}

/// `connect(descriptor, address, length)`.
#[inline]
pub fn connected(worker: &mut Worker, seen: &Seen, descriptor: u32) {
    if let Some(connection) = workers::connection(seen.pid, descriptor)
        && connection.role == role::OTHER
    {
        return;
    }
    upstream::connecting(worker, seen, descriptor);
    if seen.errno == EINPROGRESS {
        // The client's turn is over; what comes without an event of its own is somebody else's.
        worker.focus = 0;
    }
}

/// `getsockopt(descriptor, level, name, value, length)`: nginx asks how connecting went.
#[inline]
pub fn asked_for_error(worker: &mut Worker, seen: &Seen, descriptor: u32) {
    const SOL_SOCKET: u32 = 1;
    const SO_ERROR: u32 = 4;
    if seen.errno != 0
        || seen.registers.argument(index::REGS_ARG1) as u32 != SOL_SOCKET
        || seen.registers.argument(index::REGS_ARG2) as u32 != SO_ERROR
    {
        return;
    }
    let Some(connection) = workers::connection(seen.pid, descriptor) else {
        return;
    };
    // It asks again before each request on a connection that is kept, on behalf of the client whose
    // event it handles, and not of the one that the connection worked for before.
    if connection.role != role::UPSTREAM || connection.phase != phase::NEW {
        return;
    }
    worker.focus = connection.parent;
    let error = user::read::<u32>(seen.registers.argument(index::REGS_ARG3)).unwrap_or(0);
    if error != 0 {
        upstream::failed(worker, seen.pid, connection, error as u16);
        upstream::count(seen.pid, error as u16);
    }
}

/// `close(descriptor)`; `first` when it is known that the other side has not closed it before.
#[inline]
pub fn closed(worker: &mut Worker, pid: u32, descriptor: u32, first: bool) {
    worker.ended = 0;
    let Some(connection) = workers::connection(pid, descriptor) else {
        return;
    };
    match connection.role {
        role::CLIENT => {
            accept::closed(worker, pid, connection);
            if first {
                client::cut(worker, pid, connection, descriptor);
            }
        }
        role::UPSTREAM => {
            worker.focus = connection.parent;
            if connection.phase == phase::NEW {
                upstream::failed(worker, pid, connection, outcome::GAVE_UP_CONNECTING);
            } else if connection.phase == phase::ASKED {
                upstream::failed(worker, pid, connection, outcome::GAVE_UP);
            }
        }
        _ => {}
    }
    if worker.focus == descriptor + 1 {
        worker.focus = 0; // what comes now is for another one
    }
    workers::close(worker, pid, descriptor);
}

/// A read that gave `seen.result` bytes at `buffer`, or failed.
#[inline]
pub fn received(
    worker: &mut Worker,
    seen: &Seen,
    descriptor: u32,
    buffer: u64,
    known: Option<&'static mut Connection>,
    on_socket: bool,
) {
    worker.message = 0;
    worker.made = 0;
    worker.ended = 0;
    let connection = match known {
        Some(connection) => connection,
        None if on_socket => {
            worker.focus = 0;
            if seen.result <= 0 {
                return;
            }
            let role = match status::role_by_received(buffer, seen.result as u64) {
                Some(role) => role,
                None if seen.may_be_new => role::CLIENT,
                None => return,
            };
            let Some(connection) = workers::open(worker, seen.pid, descriptor) else {
                return;
            };
            connection.role = role;
            connection.flags = flag::OLDER;
            if role == role::UPSTREAM {
                connection.phase = phase::ASKED;
            }
            connection
        }
        None => return,
    };
    match connection.role {
        role::CLIENT | role::OPAQUE_CLIENT => {
            worker.focus = descriptor + 1;
            worker.orphan = 0;
            if connection.role == role::CLIENT {
                client::received(connection, seen.result, buffer);
            }
        }
        role::UPSTREAM => {
            worker.focus = connection.parent;
            if seen.result <= 0 {
                worker.ended = worker.focus;
            }
            upstream::received(worker, seen, connection, buffer);
        }
        _ => worker.focus = 0,
    }
}

/// A write of which `seen.result` bytes were taken from `buffer` on, or that failed.
#[inline]
pub fn sent(
    worker: &mut Worker,
    seen: &Seen,
    descriptor: u32,
    buffer: u64,
    known: Option<&'static mut Connection>,
    on_socket: bool,
) {
    worker.ended = 0;
    let connection = match known {
        Some(connection) => connection,
        None if on_socket && seen.result > 0 => {
            let Some(role) = status::role_by_sent(buffer) else {
                return;
            };
            let Some(connection) = workers::open(worker, seen.pid, descriptor) else {
                return;
            };
            connection.role = role;
            connection.flags = flag::OLDER;
            if role == role::CLIENT {
                connection.phase = phase::ASKED;
            }
            connection
        }
        _ => return,
    };
    if connection.role == role::CLIENT
        && connection.flags & flag::OLDER != 0
        && seen.may_be_new
        && status::role_by_sent(buffer) == Some(role::UPSTREAM)
    {
        // What came first was the rest of an answer.
        connection.role = role::UPSTREAM;
        connection.phase = phase::NEW;
    }
    match connection.role {
        role::CLIENT => {
            worker.focus = descriptor + 1;
            client::sent(worker, seen, connection, descriptor, buffer);
        }
        role::OPAQUE_CLIENT => {
            worker.focus = descriptor + 1;
            client::sent_opaquely(worker, seen.pid, connection, descriptor);
        }
        role::UPSTREAM => {
            upstream::sent(worker, seen, connection, buffer);
            if seen.errno == 0 {
                worker.turn();
            }
        }
        _ => {}
    }
}

//! The upstream's side: an attempt begins, brings a status, or ends without one.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use nginx_probe_ebpf::{
    connection::{
        ADDRESS_LEN, ATTEMPTS, Connection, Failure, Worker, flag, outcome, phase, protocol, role,
    },
    layout::index,
};

use super::status::{self, Answer};
use crate::{
    seen::{self, Seen},
    user, workers,
};

const EINPROGRESS: i32 = 115;

/// A connection to an upstream is begun, or could not be.
#[inline]
pub fn connecting(worker: &mut Worker, seen: &Seen, descriptor: u32) {
    let Some(connection) = workers::open(worker, seen.pid, descriptor) else {
        return;
    };
    connection.role = role::UPSTREAM;
    let address = seen.registers.argument(index::REGS_ARG1);
    // SAFETY: the field has that length.
    unsafe { user::copy(&raw mut connection.upstream, address, ADDRESS_LEN as u64) };
    begin(worker, seen.pid, connection);
    if seen.errno != 0 && seen.errno != EINPROGRESS {
        failed(worker, seen.pid, connection, seen.errno as u16);
    }
}

/// An attempt begins for the client whose event is handled.
#[inline]
fn begin(worker: &Worker, pid: u32, connection: &mut Connection) {
    connection.parent = 0;
    connection.attempts = 0;
    connection.status = 0;
    if worker.focus == 0 {
        return;
    }
    let Some(client) = workers::connection(pid, worker.focus - 1) else {
        return;
    };
    let waits = client.role == role::CLIENT && client.phase == phase::ASKED;
    if !waits && client.role != role::OPAQUE_CLIENT {
        return;
    }
    connection.parent = worker.focus;
    connection.started_ns = client.started_ns;
    let at = slot(client.attempts);
    connection.attempts = client.attempts;
    client.attempts += 1;
    client.statuses[at] = 0;
    client.outcomes[at] = outcome::NONE;
    client.upstream = connection.upstream;
    client.header_ns = 0;
}

/// Whether the client whose event is handled waits, and has not asked on this connection yet.
#[inline]
fn is_for_another(worker: &Worker, pid: u32, connection: &Connection) -> bool {
    if worker.focus == 0 {
        return false;
    }
    let Some(client) = workers::connection(pid, worker.focus - 1) else {
        return false;
    };
    match client.role {
        role::CLIENT => {
            let is_same =
                connection.parent == worker.focus && client.started_ns == connection.started_ns;
            client.phase == phase::ASKED && !is_same
        }
        role::OPAQUE_CLIENT => client.attempts == 0,
        _ => false,
    }
}

/// Where an attempt's outcome is kept; the last place is that of all later ones.
#[inline]
const fn slot(attempt: u16) -> usize {
    if attempt as usize >= ATTEMPTS {
        ATTEMPTS - 1
    } else {
        attempt as usize & (ATTEMPTS - 1)
    }
}

/// The client that an upstream works for, unless its descriptor has come to mean another.
#[inline]
fn client_of(pid: u32, connection: &Connection) -> Option<&'static mut Connection> {
    if connection.parent == 0 {
        return None;
    }
    let client = workers::connection(pid, connection.parent - 1)?;
    (client.started_ns == connection.started_ns && client.role != role::UPSTREAM).then_some(client)
}

/// An attempt ended without a status.
#[inline]
pub fn failed(worker: &mut Worker, pid: u32, connection: &mut Connection, why: u16) {
    if connection.phase == phase::ANSWERED {
        return;
    }
    let asked = connection.phase == phase::ASKED;
    let unread = is_opaque(connection.protocol) || connection.protocol == protocol::UNKNOWN;
    let why = if asked && unread && (why == outcome::CLOSED || why == outcome::GAVE_UP) {
        outcome::UNREAD // what was said before that is not known
    } else {
        why
    };
    connection.phase = phase::ANSWERED;
    note(worker, pid, connection, 0, why);
}

/// Notes how an attempt went, with its client or, when that is not known, for this turn.
#[inline]
fn note(worker: &mut Worker, pid: u32, connection: &Connection, status: u16, why: u16) {
    let header_ns = if status == 0 {
        0
    } else {
        // SAFETY: the helper takes nothing and cannot fail.
        unsafe { bpf_ktime_get_boot_ns() }
    };
    if let Some(client) = client_of(pid, connection) {
        let at = slot(connection.attempts);
        client.statuses[at] = status;
        client.outcomes[at] = why;
        client.header_ns = header_ns;
        client.protocol = connection.protocol;
        client.flags |= connection.flags & flag::STDERR;
    } else {
        worker.orphan = 1;
        worker.orphan_status = status;
        worker.orphan_outcome = why;
        worker.orphan_header_ns = header_ns;
        worker.orphan_protocol = u16::from(connection.protocol);
        worker.orphan_address = connection.upstream;
    }
}

/// Whether nobody can read what is said in a protocol.
#[inline]
const fn is_opaque(protocol: u8) -> bool {
    protocol == protocol::TLS || protocol == protocol::GRPC
}

/// Bytes went to an upstream.
#[inline]
pub fn sent(worker: &mut Worker, seen: &Seen, connection: &mut Connection, buffer: u64) {
    if seen.errno != 0 {
        failed(worker, seen.pid, connection, seen.errno as u16);
        return;
    }
    if seen.result <= 0 {
        return;
    }
    if connection.phase == phase::ASKED {
        // Nobody sees where an answer ends that cannot be read: another client asks then.
        if is_opaque(connection.protocol) && is_for_another(worker, seen.pid, connection) {
            begin(worker, seen.pid, connection);
            note(worker, seen.pid, connection, 0, outcome::UNREAD);
        }
        return;
    }
    let head = user::read::<[u8; 8]>(buffer).unwrap_or([0; 8]);
    let spoken = status::protocol(head);
    if connection.phase == phase::ANSWERED {
        // More of a body that was answered early, or the next request.
        if spoken == protocol::UNKNOWN || connection.protocol == protocol::TLS {
            return;
        }
        connection.flags &= flag::OLDER;
        begin(worker, seen.pid, connection);
    } else if connection.parent == 0 && worker.focus != 0 {
        begin(worker, seen.pid, connection);
    }
    connection.protocol = spoken;
    connection.length = 0;
    connection.phase = phase::ASKED;
    if is_opaque(spoken) {
        note(worker, seen.pid, connection, 0, outcome::UNREAD);
    }
}

/// Bytes came from an upstream, or its end.
#[inline]
pub fn received(worker: &mut Worker, seen: &Seen, connection: &mut Connection, buffer: u64) {
    if connection.phase == phase::ANSWERED {
        return;
    }
    if seen.errno != 0 {
        failed(worker, seen.pid, connection, seen.errno as u16);
        return;
    }
    if seen.result <= 0 {
        failed(worker, seen.pid, connection, outcome::CLOSED);
        return;
    }
    if is_opaque(connection.protocol) {
        return;
    }
    // An answer's head may come in pieces, which nginx reads one behind the other.
    let length = seen.result as u64;
    let (start, whole) =
        if connection.length != 0 && buffer == connection.buffer + u64::from(connection.length) {
            (connection.buffer, u64::from(connection.length) + length)
        } else {
            (buffer, length)
        };
    connection.buffer = start;
    connection.length = if whole > 0xffff { 0xffff } else { whole as u32 };
    match status::of_upstream(connection, start, whole) {
        Answer::More => {}
        Answer::Status(status) => {
            connection.status = status;
            connection.phase = phase::ANSWERED;
            note(worker, seen.pid, connection, status, outcome::NONE);
        }
        Answer::Invalid => failed(worker, seen.pid, connection, outcome::INVALID),
    }
}

/// Counts a connection that could not be made: the call that told of it did not fail itself.
#[inline]
pub fn count(pid: u32, errno: u16) {
    workers::count_failure(Failure {
        pid,
        call: seen::number_of_connect(),
        errno,
    });
}

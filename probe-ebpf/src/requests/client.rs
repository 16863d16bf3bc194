//! The client's side: a request begins, an answer is sent.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use nginx_probe_ebpf::{
    connection::{
        ATTEMPTS, Connection, ENDED_EARLY, Message, REQUEST_LEN, STATUSES, Worker, flag, outcome,
        phase, role,
    },
    record::{Kind, Request},
};

use super::status;
use crate::{
    ring::{header, reserve_common},
    seen::Seen,
    user,
};

const SERVER_ERROR: u16 = 500;
/// The last that is said in HTTP on a connection, as for a websocket.
const SWITCHING_PROTOCOLS: u16 = 101;

/// Bytes came from a client, or its end.
#[inline]
pub fn received(connection: &mut Connection, result: i64, buffer: u64) {
    if result <= 0 {
        if connection.phase == phase::ASKED {
            connection.flags |= flag::CLIENT_GONE;
        }
        return;
    }
    let length = result as u64;
    if connection.phase == phase::ASKED && !status::is_proxy_header(&connection.request) {
        let end = connection.buffer + u64::from(connection.length);
        if buffer == end && connection.flags & flag::MORE == 0 && end != 0 {
            // The request's head came in pieces: nginx reads them one behind the other.
            let whole = u64::from(connection.length) + length;
            copy(connection, connection.buffer, whole);
        } else {
            connection.flags |= flag::MORE;
        }
        return;
    }
    let was_answered = connection.phase == phase::ANSWERED;
    copy(connection, buffer, length);
    if status::is_proxy_header(&connection.request) {
        let header = status::proxy_header_length(&connection.request);
        if header < length {
            copy(connection, buffer + header, length - header);
        }
    }
    if connection.request[0] == 0x16 && connection.request[1] == 3
        || status::is_http2(&connection.request)
    {
        connection.role = role::OPAQUE_CLIENT;
        return;
    }
    if was_answered && !status::is_method(&connection.request) {
        return; // the rest of a request's body, which nginx throws away
    }
    // SAFETY: the helper takes nothing and cannot fail.
    connection.started_ns = unsafe { bpf_ktime_get_boot_ns() };
    connection.phase = phase::ASKED;
    connection.flags &= flag::ADDED | flag::OLDER;
    forget_attempts(connection);
}

#[inline]
fn copy(connection: &mut Connection, from: u64, length: u64) {
    connection.buffer = from;
    connection.length = if length > 0xffff {
        0xffff
    } else {
        length as u32
    };
    // SAFETY: the field has that length.
    unsafe { user::copy(&raw mut connection.request, from, length) };
    if length < REQUEST_LEN as u64 {
        connection.request[length as usize] = 0;
    }
}

#[inline]
fn forget_attempts(connection: &mut Connection) {
    connection.attempts = 0;
    connection.statuses = [0; ATTEMPTS];
    connection.outcomes = [outcome::NONE; ATTEMPTS];
    connection.header_ns = 0;
    connection.protocol = 0;
    connection.status = 0;
    forget_signs(connection);
}

/// Bytes went to a client.
#[inline]
pub fn sent(
    worker: &mut Worker,
    seen: &Seen,
    connection: &mut Connection,
    descriptor: u32,
    buffer: u64,
) {
    // A request that was never seen to begin may still be answered: pipelined ones are.
    if seen.result <= 0 {
        return;
    }
    let Some(status) = status::of_http(buffer) else {
        return;
    };
    if status < 200 && status != SWITCHING_PROTOCOLS {
        return;
    }
    let early = connection.status == ENDED_EARLY;
    if connection.phase == phase::ANSWERED {
        connection.flags |= flag::PIPELINED;
        connection.request[0] = 0;
        connection.started_ns = 0;
        forget_attempts(connection);
    }
    connection.phase = phase::ANSWERED;
    if (status as usize) < STATUSES {
        worker.answers[status as usize] += 1;
    }
    if connection.attempts == 0 && worker.orphan != 0 {
        adopt(worker, connection);
    }
    adopt_signs(worker, connection);
    worker.forget_orphans();
    if status == SERVER_ERROR && worker.memory_failed != 0 && connection.failed_errno == 0 {
        // Refused before any call told whose event it was.
        connection.failed_call = worker.memory_call as u16;
        connection.failed_errno = worker.memory_failed as u16;
        worker.memory_failed = 0;
    }
    if status >= SERVER_ERROR || any_failed(connection) {
        tell(seen.pid, connection, descriptor, status, 0);
    } else if early && connection.message != 0 {
        tell(seen.pid, connection, descriptor, status, flag::LATE);
    }
    connection.status = status;
}

/// Bytes that nobody can read went to a client.
#[inline]
pub fn sent_opaquely(worker: &mut Worker, pid: u32, connection: &mut Connection, descriptor: u32) {
    adopt_signs(worker, connection);
    worker.forget_orphans();
    if connection.made >= SERVER_ERROR {
        made_opaquely(pid, connection, descriptor);
        return;
    }
    if connection.attempts != 0 && any_failed(connection) {
        tell(pid, connection, descriptor, 0, 0);
    }
    if any_answered(connection) {
        forget_attempts(connection);
    } else {
        forget_signs(connection);
    }
}

/// nginx began an error answer of its own to a client that speaks TLS or HTTP/2. That is told when
/// something is sent, for until then an error page may fail and change the code.
#[inline]
pub fn made_opaquely(pid: u32, connection: &mut Connection, descriptor: u32) {
    if connection.made >= SERVER_ERROR {
        tell(pid, connection, descriptor, connection.made, 0);
    }
    forget_attempts(connection);
}

/// nginx says a message about a client that has its answer's beginning: what follows may be missing.
#[inline]
pub fn said_late(pid: u32, connection: &mut Connection, descriptor: u32, message: &Message) {
    if connection.status == 0 || connection.message == message.message {
        return;
    }
    connection.message = message.message;
    connection.message_errno = message.errno;
    tell(pid, connection, descriptor, connection.status, flag::LATE);
}

/// A worker closes the connection of a client that has not closed it, and may wait for an answer.
#[inline]
pub fn cut(worker: &Worker, pid: u32, connection: &mut Connection, descriptor: u32) {
    let waits = connection.phase == phase::ASKED
        && connection.started_ns != 0
        && connection.flags & flag::CLIENT_GONE == 0;
    if waits {
        adopt_signs(worker, connection);
        tell(pid, connection, descriptor, 0, flag::CUT);
    }
}

/// What went wrong on the way to an answer has nothing to do with the next one.
#[inline]
fn forget_signs(connection: &mut Connection) {
    connection.failed_call = 0;
    connection.failed_errno = 0;
    connection.made = 0;
    connection.message = 0;
    connection.message_errno = 0;
}

/// An upstream without a known client ended in this very turn, just before.
#[inline]
fn adopt(worker: &Worker, connection: &mut Connection) {
    connection.attempts = 1;
    connection.statuses[0] = worker.orphan_status;
    connection.outcomes[0] = worker.orphan_outcome;
    connection.protocol = worker.orphan_protocol as u8;
    connection.header_ns = worker.orphan_header_ns;
    connection.upstream = worker.orphan_address;
    connection.flags |= flag::ADOPTED;
}

/// The same for what nginx said and did before it was known for whom.
#[inline]
const fn adopt_signs(worker: &Worker, connection: &mut Connection) {
    if connection.message == 0 {
        connection.message = worker.message;
        connection.message_errno = worker.message_errno;
    }
    if connection.made == 0 {
        connection.made = worker.made;
    }
}

#[inline]
const fn any_failed(connection: &Connection) -> bool {
    let [a, b, c, d] = connection.statuses;
    let refused = a >= SERVER_ERROR || b >= SERVER_ERROR || c >= SERVER_ERROR || d >= SERVER_ERROR;
    let [a, b, c, d] = connection.outcomes;
    refused || failed(a) || failed(b) || failed(c) || failed(d)
}

/// Whether an attempt is known to have brought no answer.
#[inline]
const fn failed(end: u16) -> bool {
    end != outcome::NONE && end != outcome::UNREAD
}

#[inline]
const fn any_answered(connection: &Connection) -> bool {
    let [a, b, c, d] = connection.statuses;
    a | b | c | d != 0
}

#[inline]
fn tell(pid: u32, connection: &Connection, descriptor: u32, status: u16, more: u16) {
    let Some(mut entry) = reserve_common::<Request>(Kind::Request) else {
        return;
    };
    let record = entry.as_mut_ptr();
    let opaque = if connection.role == role::OPAQUE_CLIENT {
        flag::OPAQUE
    } else {
        0
    };
    // SAFETY: `record` points to a whole reserved record, of which each field is written.
    unsafe {
        (&raw mut (*record).header).write(header(Kind::Request, pid));
        (&raw mut (*record).status).write(status);
        (&raw mut (*record).attempts).write(connection.attempts);
        (&raw mut (*record).protocol).write(u16::from(connection.protocol));
        (&raw mut (*record).flags).write(u16::from(connection.flags | opaque) | more);
        (&raw mut (*record).statuses).write(connection.statuses);
        (&raw mut (*record).outcomes).write(connection.outcomes);
        (&raw mut (*record).started_ns).write(connection.started_ns);
        (&raw mut (*record).header_ns).write(connection.header_ns);
        (&raw mut (*record).descriptor).write(descriptor);
        (&raw mut (*record).failed_call).write(connection.failed_call);
        (&raw mut (*record).failed_errno).write(connection.failed_errno);
        (&raw mut (*record).message).write(connection.message);
        (&raw mut (*record).message_errno).write(connection.message_errno);
        (&raw mut (*record).made).write(connection.made);
        (&raw mut (*record).padding).write(0);
        (&raw mut (*record).client).write(connection.client);
        (&raw mut (*record).upstream).write(connection.upstream);
        (&raw mut (*record).request).write(connection.request);
    }
    entry.submit(0);
}

//! Requests seen by the sockets of workers alone: what is said on them, and how they begin and end.
//!
//! No other process pays for these programs but where it uses a socket, and a worker pays for the
//! calls that carry something and for no other. What they do not see: connections that are taken,
//! or dropped before a word was said, and calls that fail on anything but a socket.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use nginx_probe_ebpf::{
    call::Call,
    connection::{ADDRESS_LEN, Connection, Worker, phase, role},
    layout::index,
};

use crate::{
    errnos,
    kernel::{Pointer, layout},
    requests::{self, upstream},
    seen::{self, Seen},
    syscalls::PEEK,
    user::Registers,
    workers,
};

const EAGAIN: i32 = 11;
const EINPROGRESS: i32 = 115;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const STREAM: u16 = 1;

/// States of a TCP connection (`include/net/tcp_states.h`).
mod tcp {
    pub const ESTABLISHED: i32 = 1;
    pub const SYN_SENT: i32 = 2;
    pub const FIN_WAIT1: i32 = 4;
    pub const CLOSE: i32 = 7;
    pub const LAST_ACK: i32 = 9;
}

/// `sock_recv_length(socket, result, flags)`: since Linux 6.3.
#[btf_tracepoint(function = "sock_recv_length")]
pub fn sockets_recv(ctx: BtfTracePointContext) -> i32 {
    let result: i32 = ctx.arg(1);
    let flags: i32 = ctx.arg(2);
    if result == -EAGAIN || flags as u64 & PEEK != 0 {
        return 0;
    }
    used(Socket(ctx.arg(0)), result, true);
    0
}

/// `sock_send_length(socket, result, flags)`.
#[btf_tracepoint(function = "sock_send_length")]
pub fn sockets_send(ctx: BtfTracePointContext) -> i32 {
    let result: i32 = ctx.arg(1);
    if result != -EAGAIN {
        used(Socket(ctx.arg(0)), result, false);
    }
    0
}

/// Something was received or sent.
#[inline]
fn used(socket: Socket, result: i32, received: bool) {
    let Some((pid, worker)) = current() else {
        return;
    };
    worker.turns += 1;
    workers::note_sleep(worker);
    let registers = Registers::of_current();
    let number = registers.call();
    let Some(call) = seen::kind(number) else {
        return;
    };
    if call < Call::Receive as u8 || call > Call::WriteVector as u8 {
        return; // `sendfile`, `sendmsg`
    }
    let seen = Seen {
        registers,
        number,
        call,
        result: i64::from(result),
        errno: seen::errno(i64::from(result)),
        pid,
        may_be_new: true,
    };
    if seen.errno != 0 {
        errnos::failed(worker, &seen);
    }
    let descriptor = registers.descriptor();
    match meet(worker, &seen, descriptor, socket, received) {
        Met::Known(connection) => seen.talk(worker, descriptor, Some(connection), true),
        Met::Unknown(family) => {
            seen.talk(worker, descriptor, None, true);
            if let Some(connection) = workers::connection(pid, descriptor) {
                connection.socket = socket.address();
                socket.copy_peer(connection, family);
            }
        }
        Met::Other if received => worker.focus = 0, // a resolver's answer
        Met::Other => {}
    }
}

/// What is known of a socket that is used.
enum Met {
    /// Whose side it is.
    Known(&'static mut Connection),
    /// Nothing, for it is older than the agent, or new: its first bytes tell. Its family.
    Unknown(u16),
    /// It is of no interest.
    Other,
}

/// The worker that runs now, in its main thread.
#[inline]
fn current() -> Option<(u32, &'static mut Worker)> {
    let ids = bpf_get_current_pid_tgid();
    let pid = (ids >> 32) as u32;
    if ids as u32 == pid {
        Some((pid, workers::get(pid)?))
    } else {
        None
    }
}

/// Sees to it that what is known of a descriptor is about this socket.
#[inline]
fn meet(worker: &mut Worker, seen: &Seen, descriptor: u32, socket: Socket, received: bool) -> Met {
    if let Some(connection) = workers::connection(seen.pid, descriptor) {
        if connection.socket == socket.address() {
            return Met::Known(connection);
        }
        workers::close(worker, seen.pid, descriptor);
    }
    let family: u16 = socket.read(index::SOCK_FAMILY);
    if socket.read::<u16>(index::SOCK_TYPE) != STREAM {
        return Met::Other;
    }
    let role = if family == AF_UNIX {
        socket.unix_role()
    } else if family != AF_INET && family != AF_INET6 {
        return Met::Other;
    } else if received && worker.born != 0 && seen.result > 0 {
        role::CLIENT
    } else {
        return Met::Unknown(family);
    };
    let Some(connection) = workers::open(worker, seen.pid, descriptor) else {
        return Met::Other;
    };
    connection.role = role;
    connection.socket = socket.address();
    socket.copy_peer(connection, family);
    Met::Known(connection)
}

/// `inet_sock_set_state(socket, before, after)`.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn sockets_state(ctx: BtfTracePointContext) -> i32 {
    let socket = Socket(ctx.arg(0));
    let before: i32 = ctx.arg(1);
    let after: i32 = ctx.arg(2);
    if before == tcp::CLOSE && after == tcp::SYN_SENT {
        connecting(socket);
        return 0;
    }
    if before == tcp::SYN_SENT {
        // Whoever runs now: the answer comes in an interrupt.
        let made = workers::connected(socket.address());
        if after == tcp::CLOSE
            && let Some((pid, descriptor)) = made
        {
            refused(socket, pid, descriptor);
        }
    }
    if matches!(after, tcp::FIN_WAIT1 | tcp::LAST_ACK | tcp::CLOSE) {
        // With bytes that nobody has read it is closed at once.
        let first = before == tcp::ESTABLISHED && after != tcp::LAST_ACK;
        closing(socket, first);
    }
    0
}

/// `tcp_destroy_sock(socket)`: the end of one whose connection had ended before.
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub fn sockets_destroy(ctx: BtfTracePointContext) -> i32 {
    closing(Socket(ctx.arg(0)), false);
    0
}

/// A worker begins to connect.
#[inline]
fn connecting(socket: Socket) {
    let Some((pid, worker)) = current() else {
        return;
    };
    workers::note_sleep(worker);
    let registers = Registers::of_current();
    let number = registers.call();
    if seen::kind(number) != Some(Call::Connect as u8) {
        return;
    }
    let seen = Seen {
        registers,
        number,
        call: Call::Connect as u8,
        result: i64::from(-EINPROGRESS),
        errno: EINPROGRESS,
        pid,
        may_be_new: false,
    };
    let descriptor = registers.descriptor();
    requests::connected(worker, &seen, descriptor);
    if let Some(connection) = workers::connection(pid, descriptor) {
        connection.socket = socket.address();
        workers::connecting(socket.address(), pid, descriptor);
    }
}

/// A connection that was being made is not to be.
#[inline]
fn refused(socket: Socket, pid: u32, descriptor: u32) {
    let errno: u32 = socket.read(index::SOCK_ERROR);
    if errno == 0 {
        return; // nginx itself gave up
    }
    let (Some(worker), Some(connection)) =
        (workers::get(pid), workers::connection(pid, descriptor))
    else {
        return;
    };
    if connection.role == role::UPSTREAM && connection.phase == phase::NEW {
        upstream::failed(worker, pid, connection, errno as u16);
        upstream::count(pid, errno as u16);
    }
}

/// A socket ends: when that is by a worker's `close`, its descriptor does. `first` when the other
/// side has not ended it before.
#[inline]
fn closing(socket: Socket, first: bool) {
    let Some((pid, worker)) = current() else {
        return;
    };
    workers::note_sleep(worker);
    let registers = Registers::of_current();
    if seen::kind(registers.call()) != Some(Call::Close as u8) {
        return;
    }
    let descriptor = registers.descriptor();
    let known = workers::connection(pid, descriptor);
    if known.is_some_and(|known| known.socket == socket.address()) {
        requests::closed(worker, pid, descriptor, first);
    }
}

/// `struct sock`, with the type that the verifier knows.
#[derive(Clone, Copy)]
struct Socket(*const u64);

impl Socket {
    #[inline]
    fn address(self) -> u64 {
        self.0 as u64
    }

    /// Reads a member whose offset the layout has at `index`.
    #[inline]
    fn read<T: Copy>(self, index: usize) -> T {
        // SAFETY: the verifier knows the type behind the pointer, and the layout is a constant.
        unsafe { self.0.byte_add(layout(index) as usize).cast::<T>().read() }
    }

    /// Whose side of a unix connection it is: one that was accepted has its listener's name, one
    /// that connects has none.
    #[inline]
    fn unix_role(self) -> u8 {
        match Pointer(self.address()).read::<u64>(index::UNIX_ADDRESS) {
            Ok(0) => role::UPSTREAM,
            Ok(_) => role::CLIENT,
            Err(_) => role::OTHER,
        }
    }

    /// Notes the other side's address, as `accept` or `connect` would have it.
    #[inline]
    fn copy_peer(self, connection: &mut Connection, family: u16) {
        if family == AF_UNIX {
            if connection.role == role::UPSTREAM {
                let name = Pointer(self.address())
                    .follow(index::UNIX_PEER)
                    .and_then(|peer| peer.follow(index::UNIX_ADDRESS))
                    .and_then(|address| address.read::<[u8; ADDRESS_LEN]>(index::UNIX_NAME));
                if let Ok(name) = name {
                    connection.upstream = name;
                }
            }
            return;
        }
        let to = &mut connection.client;
        let [low, high] = family.to_ne_bytes();
        let [first, second] = self.read::<u16>(index::SOCK_PORT).to_ne_bytes();
        to[0] = low;
        to[1] = high;
        to[2] = first;
        to[3] = second;
        if family == AF_INET6 {
            let address = Pointer(self.address()).read::<[u8; 16]>(index::SOCK_ADDRESS6);
            to[8..24].copy_from_slice(&address.unwrap_or([0; 16]));
        } else {
            let address = self.read::<u32>(index::SOCK_ADDRESS).to_ne_bytes();
            to[4..8].copy_from_slice(&address);
        }
    }
}

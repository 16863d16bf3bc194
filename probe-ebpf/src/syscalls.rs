//! The one program at the end of every system call: tells apart, as early as it can, what is of
//! no interest.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use nginx_probe_ebpf::{
    call::{CALLS, Call},
    layout::index,
};

use crate::{
    accept, errnos, requests,
    user::{self, Piece, Registers},
    workers,
};

/// What each system call of this machine is, by its number; filled in by the agent.
#[unsafe(no_mangle)]
static CALL_TABLE: [u8; CALLS] = [0; CALLS];

/// The number of `connect`.
#[unsafe(no_mangle)]
static CONNECT_CALL: u32 = 0;

const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const EINPROGRESS: i32 = 115;
/// The kernel's own, which start a call again: `ERESTARTSYS` and up.
const RESTART: i32 = 512;

/// `MSG_PEEK`: what was read is read again.
const PEEK: u64 = 2;

/// `sys_exit(regs, result)`.
#[btf_tracepoint(function = "sys_exit")]
pub fn syscalls_exit(ctx: BtfTracePointContext) -> i32 {
    let registers = Registers::new(ctx.arg(0));
    let result: i64 = ctx.arg(1);
    let number = registers.call();
    if number as usize >= CALLS {
        return 0;
    }
    // SAFETY: the index is below the table's length; the read is volatile because the table in
    // this object is not the one at run time.
    let call = unsafe { core::ptr::read_volatile(CALL_TABLE.as_ptr().add(number as usize)) };
    let errno = if (-4095..0).contains(&result) {
        -result as i32
    } else {
        0
    };
    if errno == 0 {
        if call == Call::Other as u8 || call >= Call::Path as u8 {
            return 0;
        }
    } else if is_ordinary(errno) && call != Call::Connect as u8 {
        return 0;
    }
    let ids = bpf_get_current_pid_tgid();
    let pid = (ids >> 32) as u32;
    if let Some(worker) = workers::get(pid) {
        let seen = Seen {
            registers,
            number,
            call,
            result,
            errno,
            pid,
        };
        if errno != 0 && errno != EINPROGRESS {
            errnos::failed(worker, &seen);
        }
        // The threads of a pool only read and write files.
        if ids as u32 == pid {
            handle(worker, &seen);
        }
    }
    0
}

/// The number of `connect`, whose failures another call tells of.
#[inline]
pub fn number_of_connect() -> u16 {
    // SAFETY: a static of one word; read volatile because the agent sets it.
    unsafe { core::ptr::read_volatile(&raw const CONNECT_CALL) as u16 }
}

/// A system call that returned.
#[derive(Clone, Copy)]
pub struct Seen {
    /// Its arguments.
    pub registers: Registers,
    /// Its number.
    pub number: u32,
    /// A [`Call`], as its number.
    pub call: u8,
    /// What it gave.
    pub result: i64,
    /// The error's number, or zero.
    pub errno: i32,
    /// The process.
    pub pid: u32,
}

/// Not a failure but how things go.
#[inline]
const fn is_ordinary(errno: i32) -> bool {
    errno == EAGAIN || errno == EINTR || errno == EINPROGRESS || errno >= RESTART
}

#[inline]
fn handle(worker: &mut nginx_probe_ebpf::connection::Worker, seen: &Seen) {
    let call = seen.call;
    let descriptor = seen.registers.descriptor();
    if call == Call::Wait as u8 {
        worker.turns += 1;
        worker.focus = 0;
        worker.orphan = 0;
        worker.memory_failed = 0;
    } else if call == Call::Accept as u8 {
        accept::accepted(worker, seen, descriptor);
    } else if call == Call::EpollControl as u8 {
        accept::watched(worker, seen);
    } else if call == Call::Close as u8 {
        requests::closed(worker, seen.pid, descriptor);
    } else if call == Call::Connect as u8 {
        requests::connected(worker, seen, descriptor);
    } else if call == Call::GetOption as u8 {
        requests::asked_for_error(worker, seen, descriptor);
    } else if call == Call::Socket as u8 {
        requests::made(worker, seen);
    } else if call >= Call::Receive as u8 && call <= Call::WriteVector as u8 {
        talk(worker, seen, descriptor);
    }
}

/// Reads and writes.
#[inline]
fn talk(worker: &mut nginx_probe_ebpf::connection::Worker, seen: &Seen, descriptor: u32) {
    let call = seen.call;
    if call == Call::Receive as u8 && seen.registers.argument(index::REGS_ARG3) & PEEK != 0 {
        return;
    }
    let mut buffer = seen.registers.argument(index::REGS_ARG1);
    if call == Call::ReadVector as u8 || call == Call::WriteVector as u8 {
        let Ok(piece) = user::read::<Piece>(buffer) else {
            return;
        };
        buffer = piece.base;
    }
    let on_socket = call != Call::Read as u8 && call != Call::Write as u8;
    if call <= Call::ReadVector as u8 {
        requests::received(worker, seen, descriptor, buffer, on_socket);
    } else {
        requests::sent(worker, seen, descriptor, buffer, on_socket);
    }
}

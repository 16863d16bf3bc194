//! The one program at the end of every system call: tells apart, as early as it can, what is of
//! no interest.

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext,
};
use nginx_probe_ebpf::{call::Call, connection::Worker, layout::index};

use crate::{
    accept, errnos, requests,
    seen::{self, Seen},
    user::Registers,
    workers,
};

const EINPROGRESS: i32 = 115;

/// `MSG_PEEK`: what was read is read again.
pub const PEEK: u64 = 2;

/// `sys_exit(regs, result)`.
#[btf_tracepoint(function = "sys_exit")]
pub fn syscalls_exit(ctx: BtfTracePointContext) -> i32 {
    let registers = Registers::new(ctx.arg(0));
    let result: i64 = ctx.arg(1);
    let number = registers.call();
    let Some(call) = seen::kind(number) else {
        return 0;
    };
    let errno = seen::errno(result);
    if errno == 0 {
        if call == Call::Other as u8 || call >= Call::Path as u8 {
            return 0;
        }
    } else if seen::is_ordinary(errno) && call != Call::Connect as u8 {
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
            may_be_new: false,
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

#[inline]
fn handle(worker: &mut Worker, seen: &Seen) {
    let call = seen.call;
    let descriptor = seen.registers.descriptor();
    if call == Call::Wait as u8 {
        worker.turns += 1;
        worker.turn();
    } else if call == Call::Accept as u8 {
        accept::accepted(worker, seen, descriptor);
    } else if call == Call::EpollControl as u8 {
        accept::watched(worker, seen);
    } else if call == Call::Close as u8 {
        requests::closed(worker, seen.pid, descriptor, false);
    } else if call == Call::Connect as u8 {
        requests::connected(worker, seen, descriptor);
    } else if call == Call::GetOption as u8 {
        requests::asked_for_error(worker, seen, descriptor);
    } else if call == Call::Socket as u8 {
        requests::made(worker, seen);
    } else if call >= Call::Receive as u8 && call <= Call::WriteVector as u8 {
        if call == Call::Receive as u8 && seen.registers.argument(index::REGS_ARG3) & PEEK != 0 {
            return;
        }
        let on_socket = call != Call::Read as u8 && call != Call::Write as u8;
        let known = workers::connection(seen.pid, descriptor);
        seen.talk(worker, descriptor, known, on_socket);
    }
}

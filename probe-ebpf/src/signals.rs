//! Who sent a signal to a tracked process, and where a process was when it crashed.

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_F_USER_STACK,
    helpers::{
        bpf_get_current_comm, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_task_btf, bpf_get_stack, bpf_probe_read_user, bpf_task_pt_regs,
        },
    },
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use nginx_probe_ebpf::{
    layout::{ABSENT, index},
    record::{Crash, Kind, STACK_LEN, STACK_PIECE, Signal},
    signal::{is_crash, is_deadly, is_reported},
};

use crate::{
    backends,
    kernel::{Pointer, layout},
    ring::{header, reserve, reserve_common, send, send_common},
    tracked,
};

/// `result` of `signal_generate`: queued for delivery (`TRACE_SIGNAL_DELIVERED`).
const DELIVERED: i32 = 0;
/// `info` may be one of two small numbers in place of a pointer (`linux/sched/signal.h`).
const SEND_SIG_NOINFO: u64 = 0;
const SEND_SIG_PRIV: u64 = 1;
/// `si_code` of the kernel's own signals (`SI_KERNEL`).
const SI_KERNEL: i32 = 0x80;

/// `signal_generate(sig, info, task, group, result)`, in the sender's context.
#[raw_tracepoint(tracepoint = "signal_generate")]
pub fn signals_generate(ctx: RawTracePointContext) -> i32 {
    if is_reported(ctx.arg::<i32>(0) as u32) && ctx.arg::<i32>(4) == DELIVERED {
        let _ = try_generate(&ctx);
    }
    0
}

#[inline]
fn try_generate(ctx: &RawTracePointContext) -> Result<(), i32> {
    let pid = Pointer(ctx.arg(2)).read(index::TASK_TGID)?;
    let of_nginx = tracked::contains(pid);
    let deadly = is_deadly(ctx.arg::<i32>(0) as u32);
    if !(of_nginx || deadly && backends::is_member(pid)) {
        return Ok(());
    }
    let code = match ctx.arg::<u64>(1) {
        SEND_SIG_NOINFO => 0,
        SEND_SIG_PRIV => SI_KERNEL,
        info => Pointer(info).read(index::SIGINFO_CODE)?,
    };
    // Programs with a compiler inside raise SIGSEGV at every turn, and handle it.
    if !of_nginx && code > 0 {
        return Ok(());
    }
    let record = Signal {
        header: header(Kind::Signal, pid),
        signal: ctx.arg::<i32>(0) as u32,
        code,
        sender_pid: tracked::current(),
        sender_uid: bpf_get_current_uid_gid() as u32,
        sender_comm: bpf_get_current_comm()?,
    };
    if of_nginx {
        send(Kind::Signal, record);
    } else {
        send_common(Kind::Signal, record);
    }
    Ok(())
}

/// `signal_deliver(sig, info, ka)`, in the context of the process that gets it.
#[raw_tracepoint(tracepoint = "signal_deliver")]
pub fn signals_deliver(ctx: RawTracePointContext) -> i32 {
    if is_crash(ctx.arg::<i32>(0) as u32) {
        let pid = tracked::current();
        let of_nginx = tracked::contains(pid);
        if of_nginx || backends::is_member(pid) {
            let _ = try_deliver(&ctx, of_nginx);
        }
    }
    0
}

#[inline]
fn try_deliver(ctx: &RawTracePointContext, of_nginx: bool) -> Result<(), i32> {
    let handler: u64 = Pointer(ctx.arg(2)).read(index::SIGACTION_HANDLER)?;
    if handler != 0 {
        return Ok(()); // ignored, or the process has a handler for it and lives on
    }
    let info = Pointer(ctx.arg(1));
    let (code, address) = (
        info.read(index::SIGINFO_CODE)?,
        info.read(index::SIGINFO_ADDRESS)?,
    );
    let entry = if of_nginx {
        reserve::<Crash>(Kind::Crash)
    } else {
        reserve_common::<Crash>(Kind::Crash)
    };
    let Some(mut entry) = entry else {
        return Ok(());
    };
    let crash = entry.as_mut_ptr();
    let registers = registers(ctx);
    // SAFETY: `crash` points to a whole reserved record; each field is written in place, because
    // the record is far larger than a program's stack.
    unsafe {
        (&raw mut (*crash).header).write(header(Kind::Crash, tracked::current()));
        (&raw mut (*crash).signal).write(ctx.arg::<i32>(0) as u32);
        (&raw mut (*crash).code).write(code);
        (&raw mut (*crash).address).write(address);
        (&raw mut (*crash).ip).write(registers.ip);
        (&raw mut (*crash).sp).write(registers.sp);
        (&raw mut (*crash).fp).write(registers.fp);
        (&raw mut (*crash).lr).write(registers.lr);
        let length = copy_stack((&raw mut (*crash).stack.bytes).cast(), registers.sp);
        (&raw mut (*crash).stack.length).write(length);
        (&raw mut (*crash).stack.padding).write(0);
    }
    entry.submit(0);
    Ok(())
}

#[derive(Default)]
struct Registers {
    ip: u64,
    sp: u64,
    fp: u64,
    lr: u64,
}

/// The user registers of the running process; before Linux 5.15 the instruction pointer alone.
#[inline]
fn registers(ctx: &RawTracePointContext) -> Registers {
    if layout(index::HAS_TASK_PT_REGS) == 1 {
        // SAFETY: the helper takes the pointer that the other helper has just given.
        let regs = Pointer(unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as u64);
        let read = |index: usize| match layout(index) {
            ABSENT => 0,
            offset => regs.read_at(offset).unwrap_or(0),
        };
        Registers {
            ip: read(index::REGS_IP),
            sp: read(index::REGS_SP),
            fp: read(index::REGS_FP),
            lr: read(index::REGS_LR),
        }
    } else {
        let mut ip = 0u64;
        let flags = u64::from(BPF_F_USER_STACK);
        // SAFETY: the buffer is eight bytes, as the helper is told.
        unsafe { bpf_get_stack(ctx.as_ptr(), (&raw mut ip).cast(), 8, flags) };
        Registers {
            ip,
            ..Registers::default()
        }
    }
}

/// Copies the user stack from `sp` up, as far as it is mapped; gives the number of bytes.
#[inline]
unsafe fn copy_stack(to: *mut u8, sp: u64) -> u32 {
    let mut length = 0;
    if sp != 0 {
        while length < STACK_LEN {
            let from = sp + length as u64;
            // SAFETY: `to` has room for `STACK_LEN` bytes, and the helper checks the source.
            let result = unsafe {
                bpf_probe_read_user(
                    to.add(length).cast(),
                    STACK_PIECE as u32,
                    from as *const core::ffi::c_void,
                )
            };
            if result != 0 {
                break;
            }
            length += STACK_PIECE;
        }
    }
    length as u32
}

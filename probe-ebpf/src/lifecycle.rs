//! Births, new programs and deaths of tracked processes.

use aya_ebpf::{
    helpers::bpf_get_current_comm, macros::raw_tracepoint, programs::RawTracePointContext,
};
use nginx_probe_ebpf::{
    layout::index,
    record::{Exec, Exit, Fork, Kind},
};

use crate::{
    backends,
    kernel::Pointer,
    ring::{count_lost, header, send},
    tracked, workers,
};

/// `signal_struct.flags`: the group is ending with `group_exit_code` (`SIGNAL_GROUP_EXIT`, the
/// same value since Linux 2.6).
const GROUP_EXIT: u32 = 4;

/// `sched_process_fork(parent, child)`: children of tracked processes are tracked.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn lifecycle_fork(ctx: RawTracePointContext) -> i32 {
    let parent = tracked::current();
    if tracked::contains(parent) {
        let _ = try_fork(&ctx, parent);
    } else if let Some(member) = backends::get(parent)
        && let Ok(Some(pid)) = child_of(&ctx)
    {
        backends::forked(member, pid);
    }
    0
}

/// The process that was forked; nothing when it is a thread.
#[inline]
fn child_of(ctx: &RawTracePointContext) -> Result<Option<u32>, i32> {
    let child = Pointer(ctx.arg(1));
    let pid: u32 = child.read(index::TASK_PID)?;
    Ok((pid == child.read::<u32>(index::TASK_TGID)?).then_some(pid))
}

#[inline]
fn try_fork(ctx: &RawTracePointContext, parent: u32) -> Result<(), i32> {
    let Some(pid) = child_of(ctx)? else {
        return Ok(());
    };
    if !tracked::add(pid) {
        count_lost(Kind::Fork);
    }
    workers::follow(pid); // it may be a worker, and serve before it says so
    explain!(ctx, "{} forked {}", parent, pid);
    send(
        Kind::Fork,
        Fork {
            header: header(Kind::Fork, pid),
            parent,
            padding: 0,
        },
    );
    Ok(())
}

/// `sched_process_exec(task, old_pid, bprm)`: a watched name begins to be tracked, and a tracked
/// process that becomes something else stops being.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn lifecycle_exec(ctx: RawTracePointContext) -> i32 {
    let Ok(comm) = bpf_get_current_comm() else {
        return 0;
    };
    let pid = tracked::current();
    backends::executed(pid);
    let watched = tracked::is_watched(comm);
    if watched {
        if !tracked::add(pid) {
            count_lost(Kind::Exec);
        }
    } else if !tracked::remove(pid) {
        return 0;
    }
    workers::unfollow(pid);
    explain!(
        &ctx,
        "{} runs a new program, watched: {}",
        pid,
        u32::from(watched)
    );
    let header = header(Kind::Exec, pid);
    send(
        Kind::Exec,
        Exec {
            header,
            comm,
            watched: u32::from(watched),
            padding: 0,
        },
    );
    0
}

/// `sched_process_exit(task)`: fires for each thread; the group's last is the death.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn lifecycle_exit(ctx: RawTracePointContext) -> i32 {
    let pid = tracked::current();
    if tracked::contains(pid) {
        let _ = try_exit(&ctx, pid);
    } else if backends::get(pid).is_some()
        && let Ok(Some(status)) = status_of(&ctx)
    {
        backends::ended(pid, status);
    }
    0
}

/// What `wait` gives the parent (`wait_task_zombie`); nothing while the process has other threads.
#[inline]
fn status_of(ctx: &RawTracePointContext) -> Result<Option<u32>, i32> {
    let task = Pointer(ctx.arg(0));
    let signal = task.follow(index::TASK_SIGNAL)?;
    // `live` was counted down before the tracepoint.
    if signal.read::<i32>(index::SIGNAL_LIVE)? > 0 {
        return Ok(None);
    }
    let status = if signal.read::<u32>(index::SIGNAL_FLAGS)? & GROUP_EXIT != 0 {
        signal.read(index::SIGNAL_GROUP_EXIT_CODE)?
    } else {
        task.follow(index::TASK_GROUP_LEADER)?
            .read(index::TASK_EXIT_CODE)?
    };
    Ok(Some(status))
}

#[inline]
fn try_exit(ctx: &RawTracePointContext, pid: u32) -> Result<(), i32> {
    let Some(status) = status_of(ctx)? else {
        return Ok(());
    };
    // Two threads that end together may both be the last: the one that removes the entry reports.
    if !tracked::remove(pid) {
        return Ok(());
    }
    explain!(ctx, "{} ended, status {:x}", pid, status);
    send(
        Kind::Exit,
        Exit {
            header: header(Kind::Exit, pid),
            status,
            padding: 0,
        },
    );
    Ok(())
}

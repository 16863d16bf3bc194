//! Victims of the OOM killer.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use nginx_probe_ebpf::{
    layout::{ABSENT, index},
    record::{Kind, Oom},
};

use crate::{
    backends,
    kernel::{Pointer, layout},
    ring::{header, send},
    tracked,
};

/// Counters of resident pages in `rss_stat`: file, anonymous, swap, shared (`MM_FILEPAGES` 0,
/// `MM_ANONPAGES` 1, `MM_SWAPENTS` 2, `MM_SHMEMPAGES` 3; since Linux 4.5). Swap is not resident.
const RESIDENT: [u32; 3] = [0, 1, 3];

/// `mark_victim`: of a task since Linux 6.8 and its backports, of a process id before.
#[raw_tracepoint(tracepoint = "mark_victim")]
pub fn oom_victim(ctx: RawTracePointContext) -> i32 {
    let _ = try_victim(&ctx);
    0
}

#[inline]
fn try_victim(ctx: &RawTracePointContext) -> Result<(), i32> {
    let argument: u64 = ctx.arg(0);
    let (pid, rss_pages) = if layout(index::VICTIM_IS_TASK) == 1 {
        let task = Pointer(argument);
        (
            task.read(index::TASK_TGID)?,
            resident_pages(task).unwrap_or(0),
        )
    } else {
        (argument as u32, 0)
    };
    if tracked::contains(pid) || backends::is_member(pid) {
        send(
            Kind::Oom,
            Oom {
                header: header(Kind::Oom, pid),
                rss_pages,
            },
        );
    }
    Ok(())
}

/// The shared part of the kernel's counters; what single processors have not yet added to it
/// (some dozens of pages) is missing.
#[inline]
fn resident_pages(task: Pointer) -> Result<u64, i32> {
    let mm = task.follow(index::TASK_MM)?;
    let mut pages = 0i64;
    for counter in RESIDENT {
        let offset = match layout(index::MM_RSS_ATOMICS) {
            ABSENT => {
                layout(index::MM_RSS_COUNTERS)
                    + counter * layout(index::COUNTER_SIZE)
                    + layout(index::COUNTER_COUNT)
            }
            atomics => atomics + counter * 8,
        };
        pages += mm.read_at::<i64>(offset)?.max(0);
    }
    Ok(pages as u64)
}

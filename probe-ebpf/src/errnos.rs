//! System calls of workers that fail.

use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_probe_read_user_str};
use nginx_probe_ebpf::{
    call::Call,
    connection::{ADDRESS_LEN, Failure, Worker},
    layout::index,
    record::{Errno, Kind, PATH_LEN},
};

use crate::{
    ring::{header, reserve},
    seen::Seen,
    user, workers,
};

/// Records a worker may send in a second.
const RECORDS_PER_SECOND: u32 = 32;

/// What `about` of a record is.
const NOTHING: u32 = 0;
const PATH: u32 = 1;
const ADDRESS: u32 = 2;

const ENOMEM: i32 = 12;

/// Counts a failure, and tells of one that makes requests fail.
#[inline]
pub fn failed(worker: &mut Worker, seen: &Seen) {
    workers::count_failure(Failure {
        pid: seen.pid,
        call: seen.number as u16,
        errno: seen.errno as u16,
    });
    if !is_serious(seen.errno) {
        return;
    }
    if seen.errno == ENOMEM {
        worker.memory_failed = seen.errno as u32;
        worker.memory_call = seen.number;
    }
    if worker.focus != 0
        && let Some(client) = workers::connection(seen.pid, worker.focus - 1)
    {
        client.failed_call = seen.number as u16;
        client.failed_errno = seen.errno as u16;
    }
    if may_send(worker) {
        tell(worker, seen);
    }
}

#[inline]
fn tell(worker: &Worker, seen: &Seen) {
    let Some(mut entry) = reserve::<Errno>(Kind::Errno) else {
        return;
    };
    let record = entry.as_mut_ptr();
    let registers = seen.registers;
    let (kind, address) = if seen.call == Call::Path as u8 {
        (PATH, registers.argument(index::REGS_ARG0))
    } else if seen.call == Call::PathAt as u8 {
        (PATH, registers.argument(index::REGS_ARG1))
    } else if seen.call == Call::Connect as u8 {
        (ADDRESS, registers.argument(index::REGS_ARG1))
    } else {
        (NOTHING, 0)
    };
    let descriptor = if kind == PATH {
        -1
    } else {
        registers.descriptor().cast_signed()
    };
    // SAFETY: `record` points to a whole reserved record, of which each field is written; the
    // helpers check the source and write no more than they are told.
    unsafe {
        (&raw mut (*record).header).write(header(Kind::Errno, seen.pid));
        (&raw mut (*record).call).write(seen.number);
        (&raw mut (*record).errno).write(seen.errno as u32);
        (&raw mut (*record).descriptor).write(descriptor);
        (&raw mut (*record).about_kind).write(kind);
        (&raw mut (*record).suppressed).write(worker.suppressed);
        let about = &raw mut (*record).about;
        about.write([0; PATH_LEN]);
        if kind == PATH {
            bpf_probe_read_user_str(about.cast(), PATH_LEN as u32, address as *const _);
        } else if kind == ADDRESS {
            let _ = user::copy::<ADDRESS_LEN>(about.cast(), address, ADDRESS_LEN as u64);
        }
    }
    entry.submit(0);
}

/// Whether a worker may send another record now; counts those that it may not.
#[inline]
pub fn may_send(worker: &mut Worker) -> bool {
    // SAFETY: the helper takes nothing and cannot fail.
    let second = (unsafe { bpf_ktime_get_boot_ns() } >> 30) as u32;
    if worker.second != second {
        worker.second = second;
        worker.records = 0;
    }
    if worker.records >= RECORDS_PER_SECOND {
        worker.suppressed += 1;
        return false;
    }
    worker.records += 1;
    true
}

/// What makes a request fail, or a connection wait: `EPERM`, `EIO`, `ENOMEM`, `EACCES`, `ENFILE`,
/// `EMFILE`, `ENOSPC`, `EROFS`, `EADDRNOTAVAIL`, `ENETUNREACH`, `ENOBUFS`, `ETIMEDOUT`,
/// `ECONNREFUSED`, `EHOSTUNREACH`, `EDQUOT`; the numbers are those of x86 and arm.
#[inline]
const fn is_serious(errno: i32) -> bool {
    matches!(
        errno,
        1 | 5 | 12 | 13 | 23 | 24 | 28 | 30 | 99 | 101 | 105 | 110 | 111 | 113 | 122
    )
}

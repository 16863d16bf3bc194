//! The way to the agent, and the count of what did not get through.

use aya_ebpf::{
    bindings::BPF_RB_AVAIL_DATA,
    helpers::generated::bpf_ktime_get_boot_ns,
    macros::map,
    maps::{PerCpuArray, RingBuf, ring_buf::RingBufEntry},
};
use nginx_probe_ebpf::record::{Header, Kind};

/// 512 KiB: 31 crashes with their stacks, or 10,000 other records, before the agent must have read.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES as u32, 0);

const RING_BYTES: u64 = 512 * 1024;

/// Records that could not be sent, by kind.
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(Kind::ALL.len() as u32, 0);

/// Room for one record, or `None` after counting it as lost.
#[inline]
pub fn reserve<T: 'static>(kind: Kind) -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        count_lost(kind);
    }
    entry
}

/// Room for a record of a kind that can be frequent: a quarter of the buffer is kept for the rest.
#[inline]
pub fn reserve_common<T: 'static>(kind: Kind) -> Option<RingBufEntry<T>> {
    if EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) > RING_BYTES / 4 * 3 {
        count_lost(kind);
        return None;
    }
    reserve(kind)
}

/// Sends a small record.
#[inline]
pub fn send<T: 'static>(kind: Kind, record: T) {
    if let Some(mut entry) = reserve::<T>(kind) {
        entry.write(record);
        entry.submit(0);
    }
}

/// Sends a small record of a kind that can be frequent.
#[inline]
pub fn send_common<T: 'static>(kind: Kind, record: T) {
    if let Some(mut entry) = reserve_common::<T>(kind) {
        entry.write(record);
        entry.submit(0);
    }
}

/// Counts one record of that kind that the agent will not get.
#[inline]
pub fn count_lost(kind: Kind) {
    if let Some(count) = LOST.get_ptr_mut(kind as u32) {
        // SAFETY: the pointer is to an aligned value of the map, which outlives the program. The
        // addition is atomic, because an interrupt may run another program on this processor; the
        // target has no atomics in `core`.
        #[cfg(target_arch = "bpf")]
        unsafe {
            core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) count, in(reg) 1u64);
        }
        #[cfg(not(target_arch = "bpf"))]
        let _ = count;
    }
}

/// The header of a record that is about `pid` and happens now.
#[inline]
pub fn header(kind: Kind, pid: u32) -> Header {
    // SAFETY: the helper takes nothing and cannot fail.
    let time_ns = unsafe { bpf_ktime_get_boot_ns() };
    Header {
        kind: kind as u32,
        pid,
        time_ns,
    }
}

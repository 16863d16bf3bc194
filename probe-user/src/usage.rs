//! What the agent itself uses.

use procfs::process::{LimitValue, Process};

use crate::clock::{Time, boot_ns_now};

/// Resources of this process.
#[derive(Clone, Copy, Debug)]
#[allow(
    missing_docs,
    reason = "the names and units are those of the `process_*` metrics"
)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub open_fds: u64,
    pub max_fds: u64,
    pub start_time: u64,
}

impl Usage {
    /// Reads `/proc/self`.
    #[must_use]
    pub fn of_self() -> Option<Self> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let ticks = u32::try_from(stat.utime.saturating_add(stat.stime)).unwrap_or(u32::MAX);
        let since_boot = stat.starttime / 100;
        let boot = (Time::now().0 / 1_000_000).saturating_sub(boot_ns_now() / 1_000_000_000);
        let max_fds = match process.limits().ok()?.max_open_files.soft_limit {
            LimitValue::Value(value) => value,
            LimitValue::Unlimited => u64::MAX,
        };
        Some(Self {
            cpu_seconds: f64::from(ticks) / 100.0,
            resident_bytes: stat.rss.saturating_mul(procfs::page_size()),
            virtual_bytes: stat.vsize,
            open_fds: process.fd_count().ok()? as u64,
            max_fds,
            start_time: boot.saturating_add(since_boot),
        })
    }
}

/// Gives memory back to the system that was freed. Loading the programs parses the whole of the
/// kernel's type information, some 15 MiB in small pieces, of which the C library keeps most.
pub fn give_back_memory() {
    // SAFETY: `malloc_trim` may be called at any time; it touches free memory only.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Processors that are online, which is what nginx takes `worker_processes auto` for.
#[must_use]
pub fn online_cpus() -> Option<u32> {
    count_cpus(
        std::fs::read_to_string("/sys/devices/system/cpu/online")
            .ok()?
            .trim(),
    )
}

/// The number of processors in a list such as `0-3,8`.
fn count_cpus(text: &str) -> Option<u32> {
    text.split(',').try_fold(0u32, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_lists_are_counted() {
        assert_eq!(count_cpus("0"), Some(1));
        assert_eq!(count_cpus("0-3,8"), Some(5));
        for list in ["", "x", "3-0", "0-4294967295", "1,"] {
            assert_eq!(count_cpus(list), None, "{list:?}");
        }
    }

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of_self().expect("readable");
        assert!(usage.resident_bytes > 0 && usage.open_fds > 2 && usage.start_time > 1_700_000_000);
    }
}

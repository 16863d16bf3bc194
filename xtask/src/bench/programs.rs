//! How often the kernel runs the agent's programs, and for how long.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use nginx_probe_tests::bpf::programs_of;

/// The runs of one program while the kernel counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) count: u64,
    pub(super) time: Duration,
}

/// The kernel's run-time statistics of eBPF programs, switched on while this lives.
///
/// The same as the sysctl `kernel.bpf_stats_enabled`, but the kernel itself switches them off when
/// the descriptor is closed, however we end.
pub(super) struct Counting {
    _on: OwnedFd,
}

impl Counting {
    /// # Errors
    /// Without `CAP_SYS_ADMIN`, and before Linux 5.8.
    pub(super) fn start() -> Result<Self> {
        let on = enable_stats(Stats::RunTime).context("switching on eBPF run-time statistics")?;
        Ok(Self { _on: on })
    }
}

/// The runs so far, while they were counted, of the programs that a process holds, by the
/// programs' names.
pub(super) fn runs_of(pid: u32) -> Result<BTreeMap<String, Runs>> {
    let ids = programs_of(pid)?;
    let mut runs: BTreeMap<_, Runs> = BTreeMap::new();
    // A stranger's program may go while we look.
    for program in loaded_programs().flatten() {
        if ids.contains(&program.id()) {
            // The kernel cuts names to 15 bytes.
            let name = String::from_utf8_lossy(program.name()).into_owned();
            let all = runs.entry(name).or_default();
            all.count += program.run_count();
            all.time += program.run_time();
        }
    }
    ensure!(
        !runs.is_empty(),
        "the kernel lists none of the eBPF programs of process {pid}: {ids:?}"
    );
    Ok(runs)
}

/// What came to `before` until `after`.
pub(super) fn since(
    before: &BTreeMap<String, Runs>,
    after: BTreeMap<String, Runs>,
) -> Vec<(String, Runs)> {
    let difference = |(name, after): (String, Runs)| {
        let before = before.get(&name).copied().unwrap_or_default();
        let runs = Runs {
            count: after.count.saturating_sub(before.count),
            time: after.time.saturating_sub(before.time),
        };
        (name, runs)
    };
    after.into_iter().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, count: u64, ns: u64) -> BTreeMap<String, Runs> {
        let time = Duration::from_nanos(ns);
        BTreeMap::from([(name.to_owned(), Runs { count, time })])
    }

    #[test]
    fn only_what_is_new_counts() {
        let mut after = one("exit", 5, 900);
        after.append(&mut one("fork", 2, 300));
        let mut expected = one("exit", 3, 700);
        expected.append(&mut one("fork", 2, 300));
        let found = since(&one("exit", 2, 200), after);
        assert_eq!(BTreeMap::from_iter(found), expected);
    }
}

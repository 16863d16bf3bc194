//! What a process holds in the kernel.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use aya::programs::loaded_programs;

/// The ids of the eBPF programs that a process holds, by themselves or by their links.
pub fn programs_of(pid: u32) -> Result<BTreeSet<u32>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.clone())? {
        // A descriptor may be closed while we look.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let found = text
            .lines()
            .filter_map(|line| line.strip_prefix("prog_id:"));
        ids.extend(found.filter_map(|id| id.trim().parse::<u32>().ok()));
    }
    Ok(ids)
}

/// Whether the kernel still has the program with this id. Programs that go while the list is read
/// are skipped.
#[must_use]
pub fn exists(id: u32) -> bool {
    loaded_programs()
        .filter_map(Result::ok)
        .any(|program| program.id() == id)
}

/// Fails unless every one of these programs is gone.
pub fn ensure_gone(ids: &BTreeSet<u32>) -> Result<()> {
    for &id in ids {
        // Programs are freed a little after their last holder has gone.
        crate::wait::until_true(
            &format!("the end of eBPF program {id}"),
            crate::wait::DEADLINE,
            || Ok(!exists(id)),
        )?;
    }
    ensure!(!ids.is_empty(), "there was no eBPF program to begin with");
    Ok(())
}

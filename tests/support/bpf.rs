//! What a process holds in the kernel.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

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

/// Whether the kernel still has the program with this id. Needs `bpftool`, and says so.
pub fn exists(id: u32) -> Result<bool> {
    let status = Command::new("bpftool")
        .args(["prog", "show", "id", &id.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("running bpftool, which this test needs (Debian: `apt-get install bpftool`)")?;
    Ok(status.success())
}

/// Fails unless every one of these programs is gone.
pub fn ensure_gone(ids: &BTreeSet<u32>) -> Result<()> {
    for &id in ids {
        // Programs are freed a little after their last holder has gone.
        crate::wait::until_true(
            &format!("the end of eBPF program {id}"),
            crate::wait::DEADLINE,
            || Ok(!exists(id)?),
        )?;
    }
    ensure!(!ids.is_empty(), "there was no eBPF program to begin with");
    Ok(())
}

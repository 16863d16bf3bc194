//! A process's limit of open files, lowered for a while.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use procfs::process::{LimitValue, Process};

/// Puts the limit back when it is dropped.
pub(super) struct Limit {
    pid: u32,
    before: String,
}

impl Limit {
    /// Lets a process open nothing more than what it has open.
    pub(super) fn to_what_is_open(pid: u32) -> Result<Self> {
        // Numbers, not the count: the limit is one more than the highest that may be used.
        let open = fs::read_dir(format!("/proc/{pid}/fd"))?
            .filter_map(|file| file.ok()?.file_name().to_str()?.parse::<u64>().ok());
        let mut open: Vec<_> = open.collect();
        open.sort_unstable();
        let free = (0..).zip(&open).find(|(number, open)| number != *open);
        let free = free.map_or_else(|| open.len().to_string(), |(number, _)| number.to_string());
        let limits = Process::new(i32::try_from(pid)?)?.limits()?;
        let before = match limits.max_open_files.soft_limit {
            LimitValue::Unlimited => "unlimited".to_owned(),
            LimitValue::Value(value) => value.to_string(),
        };
        set(pid, &free)?;
        Ok(Self { pid, before })
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Err(error) = set(self.pid, &self.before) {
            eprintln!("cannot put back the limit of open files: {error:#}");
        }
    }
}

/// As the process's own user, who may do that without a privilege.
fn set(pid: u32, limit: &str) -> Result<()> {
    let status = Process::new(i32::try_from(pid)?)?.status()?;
    let status = Command::new("setpriv")
        .args(["--reuid", &status.euid.to_string()])
        .args(["--regid", &status.egid.to_string(), "--clear-groups"])
        .args(["prlimit", "--pid", &pid.to_string()])
        .arg(format!("--nofile={limit}:"))
        .status()
        .context("starting setpriv")?;
    ensure!(
        status.success(),
        "setting the limit of open files of process {pid} failed: {status}"
    );
    Ok(())
}

//! A memory control group of our own, in version 1 or 2, whichever the host uses for memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::wait::until_true;

const ROOT: &str = "/sys/fs/cgroup";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A control group with a memory limit and no swap. Dropping it removes it: drop what runs inside first.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    limit: u64,
}

impl Cgroup {
    /// Makes an empty group that may use `limit` bytes: a multiple of the page size.
    pub fn new(limit: u64) -> Result<Self> {
        let version = Version::of_host(Path::new(ROOT))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nginx-probe-test-{}-{number}", process::id());
        let path = version.memory_root().join(name);
        fs::create_dir(&path).with_context(|| {
            format!(
                "making the control group {} (it needs root)",
                path.display()
            )
        })?;
        // From here on, dropping removes it.
        let group = Self { path, limit };
        group.write(version.limit_file(), &limit.to_string())?;
        // Absent where the kernel has no swap accounting: then there is nothing to forbid.
        let _ = match version {
            Version::One => group.write("memory.swappiness", "0"),
            Version::Two => group.write("memory.swap.max", "0"),
        };
        Ok(group)
    }

    /// Moves a process here; what it starts from now on belongs here too.
    pub fn add(&self, pid: u32) -> Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Its folder in the file system of control groups.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The limit in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How often the kernel killed a process here for want of memory.
    pub fn oom_kills(&self) -> Result<u64> {
        let file = match Version::of_host(Path::new(ROOT))? {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.path.join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.context("no oom_kill count")?
            .trim()
            .parse()
            .context("the oom_kill count")
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let file = self.path.join(file);
        fs::write(&file, text).with_context(|| format!("writing {text} to {}", file.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that was just killed leaves its group a little later.
        let removed = until_true("an empty control group", Duration::from_secs(5), || {
            Ok(fs::remove_dir(&self.path).is_ok() || !self.path.exists())
        });
        if let Err(error) = removed {
            eprintln!("{} stays behind: {error:#}", self.path.display());
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    fn of_host(root: &Path) -> Result<Self> {
        if root.join("memory/memory.limit_in_bytes").exists() {
            return Ok(Self::One);
        }
        let controllers = root.join("cgroup.subtree_control");
        let enabled = fs::read_to_string(&controllers).unwrap_or_default();
        if enabled.split_whitespace().any(|name| name == "memory") {
            return Ok(Self::Two);
        }
        bail!(
            "no memory control groups: neither {0}/memory (version 1) nor `memory` in {0}/cgroup.subtree_control \
             (version 2; try `echo +memory > {0}/cgroup.subtree_control`)",
            root.display()
        )
    }

    fn memory_root(self) -> PathBuf {
        match self {
            Self::One => Path::new(ROOT).join("memory"),
            Self::Two => PathBuf::from(ROOT),
        }
    }

    fn limit_file(self) -> &'static str {
        match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;
    use crate::http::Answer;
    use crate::nginx::Nginx;
    use crate::wait::DEADLINE;

    #[test]
    fn a_worker_that_eats_memory_is_killed_in_its_group() -> Result<()> {
        let group = Cgroup::new(64 << 20)?;
        let nginx = Nginx::builder().start()?;
        group.add(nginx.master()?)?;
        let before = nginx.workers()?;
        for &worker in &before {
            group.add(worker)?;
        }
        assert!(matches!(nginx.cause(Fault::EatMemory), Answer::Broken(_)));
        until_true("the kernel's count", DEADLINE, || {
            Ok(group.oom_kills()? == 1)
        })?;
        until_true("a worker in its place", DEADLINE, || {
            let now = nginx.serving()?;
            Ok(now.len() == 2 && now != before)
        })?;
        let path = group.path.clone();
        drop(nginx);
        drop(group);
        assert!(!path.exists());
        Ok(())
    }

    #[test]
    fn both_versions_are_told_apart() -> Result<()> {
        let root = tempfile::tempdir()?;
        assert!(Version::of_host(root.path()).is_err_and(|e| e.to_string().contains("version 2")));
        fs::write(root.path().join("cgroup.subtree_control"), "cpu memory\n")?;
        assert_eq!(Version::of_host(root.path())?, Version::Two);
        fs::create_dir(root.path().join("memory"))?;
        fs::write(root.path().join("memory/memory.limit_in_bytes"), "1")?;
        assert_eq!(Version::of_host(root.path())?, Version::One);
        Ok(())
    }
}

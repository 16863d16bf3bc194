//! Control groups with the names that systemd and container runtimes give theirs, without limits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use crate::wait::{DEADLINE, until_true};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A mounted hierarchy of control groups.
#[derive(Debug, Clone)]
pub struct Hierarchy {
    mount: PathBuf,
    /// How the path of a group begins in `/proc/PID/cgroup`: before it is what the mount hides.
    hidden: String,
}

impl Hierarchy {
    /// The host's hierarchy of version 2, else that which systemd had in version 1.
    pub fn find() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let found = Self::version_2(&mounts).or_else(|| Self::of_systemd(&mounts));
        found.context("neither control groups of version 2 nor a hierarchy name=systemd is mounted")
    }

    /// The hierarchy of version 1 that systemd had for its units, where the host has it.
    pub fn find_of_systemd() -> Result<Option<Self>> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(Self::of_systemd(&mounts))
    }

    fn version_2(mounts: &str) -> Option<Self> {
        mounts
            .lines()
            .find_map(|line| Self::of_line(line, |kind, _| kind == "cgroup2"))
    }

    fn of_systemd(mounts: &str) -> Option<Self> {
        mounts.lines().find_map(|line| {
            Self::of_line(line, |kind, options| {
                kind == "cgroup" && options.split(',').any(|one| one == "name=systemd")
            })
        })
    }

    /// A line of `mountinfo`: `ID PARENT DEVICE ROOT MOUNT OPTIONS … - KIND SOURCE OPTIONS`.
    fn of_line(line: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let (kind, options) = (file_system.next()?, file_system.nth(1)?);
        let mut mount = mount.split(' ').skip(3);
        let (root, path) = (mount.next()?, mount.next()?);
        wanted(kind, options).then(|| Self {
            mount: path.into(),
            hidden: root.trim_end_matches('/').to_owned(),
        })
    }
}

/// A control group below one of our own. Dropping it removes it with all above it that is ours: drop
/// what runs inside first.
#[derive(Debug)]
pub struct Group {
    top: PathBuf,
    folder: PathBuf,
    seen: String,
}

impl Group {
    /// Makes the group `path`, as it would be called below the hierarchy's root.
    pub fn new(hierarchy: &Hierarchy, path: &str) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let top = format!("nginx-probe-test-{}-{number}.slice", process::id());
        let group = Self {
            folder: hierarchy.mount.join(&top).join(path),
            seen: format!("{}/{top}/{path}", hierarchy.hidden),
            top: hierarchy.mount.join(top),
        };
        // From here on, dropping removes what was made.
        fs::create_dir_all(&group.folder).with_context(|| {
            format!(
                "making the control group {} (it needs root)",
                group.folder.display()
            )
        })?;
        Ok(group)
    }

    /// Its folder in the file system of control groups.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its path as `/proc/PID/cgroup` has it.
    #[must_use]
    pub fn seen(&self) -> String {
        self.seen.clone()
    }

    /// The file to which process ids are written that shall be inside.
    #[must_use]
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Moves a process here; what it starts from now on belongs here too.
    pub fn add(&self, pid: u32) -> Result<()> {
        let file = self.processes();
        fs::write(&file, pid.to_string()).with_context(|| format!("{pid} to {}", file.display()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let ours = self.folder.ancestors();
        for folder in ours.take_while(|folder| folder.starts_with(&self.top)) {
            // A process that was just killed leaves its group a little later.
            let removed = until_true("an empty control group", DEADLINE, || {
                Ok(fs::remove_dir(folder).is_ok() || !folder.exists())
            });
            if let Err(error) = removed {
                eprintln!("{} stays behind: {error:#}", folder.display());
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_among_mounts() {
        let mounts = "\
            30 24 0:26 / /sys/fs/cgroup/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,name=systemd\n\
            31 24 0:27 /docker/x /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let two = Hierarchy::version_2(mounts).expect("version 2");
        assert_eq!(two.mount, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(two.hidden, "/docker/x");
        let one = Hierarchy::of_systemd(mounts).expect("version 1");
        assert_eq!(one.mount, Path::new("/sys/fs/cgroup/systemd"));
        assert_eq!(one.hidden, "");
        assert!(Hierarchy::of_systemd("no mounts").is_none());
    }
}

//! What `/proc` says about a process. Takes the root folder as an argument, so that tests use a
//! folder they made.

use std::{
    collections::HashSet,
    fs, io,
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use procfs::{FromRead as _, process::Stat};

/// Nanoseconds of one clock tick, the unit of start times in `/proc/PID/stat`. `USER_HZ` is 100 on
/// every architecture that nginx runs on.
const NS_PER_TICK: u64 = 10_000_000;
/// As much of a process's title as is read, in bytes.
const MAX_TITLE: u64 = 16 * 1024;
/// As much of any other file as is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// Descriptors of a process that are looked at.
const MAX_FDS: usize = 64 * 1024;
/// SIGHUP's bit in a signal mask.
const HUP_BIT: u64 = 1;
/// `rt_sigsuspend`, in which an nginx master waits.
const RT_SIGSUSPEND: i64 = if cfg!(target_arch = "x86_64") {
    130
} else {
    133
};

/// A `/proc`.
#[derive(Clone, Debug)]
pub struct Proc {
    root: PathBuf,
}

/// What matters of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The process's name: at most 15 bytes.
    pub comm: String,
    /// Its parent.
    pub parent: u32,
    /// When it was started, in nanoseconds since boot, to 10 ms.
    pub started_ns: u64,
    /// Where its stack begins: equal to the parent's when it was forked and ran no other program
    /// since. Zero when we may not know.
    pub stack_start: u64,
    /// Ended, but not yet waited for.
    pub dead: bool,
}

/// The leaders of a process's session and process group, which a master gives its workers: its own
/// process id, when it became a daemon or a service manager started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaders {
    /// Of the session.
    pub session: u32,
    /// Of the process group.
    pub group: u32,
    /// The session's as the process itself sees it.
    pub inner_session: u32,
    /// The group's as the process itself sees it.
    pub inner_group: u32,
}

impl Proc {
    /// A `/proc` mounted at `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every process, in the order of the folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        Ok(fs::read_dir(&self.root)?
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect())
    }

    /// A process's name, parent and start; `None` when it is gone or not ours to see.
    #[must_use]
    pub fn status(&self, pid: u32) -> Option<Status> {
        let text = self.read(pid, "stat", MAX_FILE)?;
        // The parser panics on a line that ends with the name.
        let name_end = text.iter().rposition(|byte| *byte == b')')?;
        text.get(name_end + 3)?;
        let stat = Stat::from_read(text.as_slice()).ok()?;
        Some(Status {
            parent: u32::try_from(stat.ppid).unwrap_or(0),
            started_ns: stat.starttime.saturating_mul(NS_PER_TICK),
            stack_start: stat.startstack,
            dead: matches!(stat.state, 'Z' | 'X' | 'x'),
            comm: stat.comm,
        })
    }

    /// A process's title or command line, as it wrote it; `None` when it is gone.
    #[must_use]
    pub fn title(&self, pid: u32) -> Option<Vec<u8>> {
        self.read(pid, "cmdline", MAX_TITLE)
    }

    /// The children of a process's first thread, oldest first, which is one of nginx's all. Some
    /// may be missing while others end. `None` when it is gone, or on a kernel without
    /// `CONFIG_PROC_CHILDREN`.
    #[must_use]
    pub fn children(&self, pid: u32) -> Option<Vec<u32>> {
        let bytes = self.read(pid, &format!("task/{pid}/children"), MAX_FILE)?;
        let text = String::from_utf8(bytes).ok()?;
        Some(text.split_whitespace().flat_map(str::parse).collect())
    }

    /// The control groups of a process, a line for each hierarchy; `None` when it is gone.
    #[must_use]
    pub fn cgroup(&self, pid: u32) -> Option<Vec<u8>> {
        self.read(pid, "cgroup", MAX_FILE)
    }

    /// Where a process's root folder is, as we see it, and in the file system that it was mounted
    /// from: `/` for what is nowhere else.
    #[must_use]
    pub fn root_paths(&self, pid: u32) -> [Option<PathBuf>; 2] {
        let link = fs::read_link(self.root.join(pid.to_string()).join("root")).ok();
        let mounts = self.read(pid, "mountinfo", MAX_FILE).unwrap_or_default();
        let mounts = String::from_utf8_lossy(&mounts);
        // What was mounted there last is what is seen: fields 4 and 5 are where from and where.
        let source = mounts.lines().rev().find_map(|line| {
            let mut fields = line.split(' ').skip(3);
            let (from, at) = (fields.next()?, fields.next()?);
            (at == "/").then(|| PathBuf::from(from))
        });
        [link, source]
    }

    /// The inodes of the sockets that a process has open.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub fn sockets(&self, pid: u32) -> io::Result<HashSet<u64>> {
        let folder = self.root.join(pid.to_string()).join("fd");
        let mut inodes = HashSet::new();
        for entry in fs::read_dir(folder)?.take(MAX_FDS) {
            if let Ok(link) = fs::read_link(entry?.path()) {
                inodes.extend(socket_inode(link.as_os_str().as_bytes()));
            }
        }
        Ok(inodes)
    }

    /// The process's id as it sees itself: the last of `NSpid`.
    #[must_use]
    pub fn inner_pid(&self, pid: u32) -> Option<u32> {
        self.status_line(pid, "NSpid:")?
            .split_whitespace()
            .last()?
            .parse()
            .ok()
    }

    /// Whose session and process group it is in; `None` when it is gone.
    #[must_use]
    pub fn leaders(&self, pid: u32) -> Option<Leaders> {
        let ends = |name| {
            let line = self.status_line(pid, name)?;
            let mut numbers = line.split_whitespace().map(|number| number.parse().ok());
            let first: u32 = numbers.next()??;
            Some((first, numbers.next_back().unwrap_or(Some(first))?))
        };
        let (session, inner_session) = ends("NSsid:")?;
        let (group, inner_group) = ends("NSpgid:")?;
        Some(Leaders {
            session,
            group,
            inner_session,
            inner_group,
        })
    }

    /// Whether a SIGHUP is still waiting to be taken.
    #[must_use]
    pub fn hup_pending(&self, pid: u32) -> Option<bool> {
        let mask = |name| u64::from_str_radix(&self.status_line(pid, name)?, 16).ok();
        Some((mask("ShdPnd:")? | mask("SigPnd:")?) & HUP_BIT != 0)
    }

    /// Whether the process is blocked in `rt_sigsuspend`, where a master that has nothing left to
    /// do waits. `None` when we may not know (it needs `CAP_SYS_PTRACE`).
    #[must_use]
    pub fn awaits_signal(&self, pid: u32) -> Option<bool> {
        let text = String::from_utf8(self.read(pid, "syscall", MAX_FILE)?).ok()?;
        let number = text.split_whitespace().next()?;
        Some(number.parse() == Ok(RT_SIGSUSPEND))
    }

    fn status_line(&self, pid: u32, name: &str) -> Option<String> {
        let bytes = self.read(pid, "status", MAX_FILE)?;
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|rest| rest.trim().to_owned())
    }

    fn read(&self, pid: u32, name: &str, limit: u64) -> Option<Vec<u8>> {
        let file = fs::File::open(self.root.join(pid.to_string()).join(name)).ok()?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// The inode of a descriptor that leads to `socket:[123]`.
fn socket_inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_very_process() {
        let proc = Proc::at("/proc");
        let pid = std::process::id();
        let status = proc.status(pid).expect("we exist");
        assert_eq!(status.parent, std::os::unix::process::parent_id());
        assert!(!status.dead);
        assert!(status.started_ns > 0);
        assert!(proc.pids().expect("readable").contains(&pid));
        assert_eq!(proc.hup_pending(pid), Some(false));
        assert_eq!(proc.awaits_signal(pid), Some(false));
        assert!(proc.sockets(pid).is_ok());
        assert_eq!(socket_inode(b"socket:[12]"), Some(12));
        assert_eq!(socket_inode(b"socket:[+1]"), None);
        assert!(proc.inner_pid(pid).is_some());
        let leaders = proc.leaders(pid).expect("we are in a session");
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        assert_eq!(u32::try_from(group), Ok(leaders.group));
        let parent = proc.children(status.parent);
        assert!(parent.is_none_or(|children| children.contains(&pid)));
    }

    #[test]
    fn hostile_names_do_not_confuse_it() {
        let folder = tempfile::tempdir().expect("temp folder");
        let process = folder.path().join("7");
        fs::create_dir(&process).expect("folder");
        let fields = "S 3 ".to_owned() + &"1 ".repeat(48);
        fs::write(process.join("stat"), format!("7 (a) Z 1 (b) {fields}")).expect("stat");
        fs::write(process.join("cmdline"), b"nginx:\0master \xff\0\0").expect("cmdline");
        let proc = Proc::at(folder.path());
        assert_eq!(proc.pids().expect("readable"), [7]);
        assert_eq!(proc.status(7).expect("parsed").parent, 3);
        assert_eq!(proc.title(7).expect("title"), b"nginx:\0master \xff\0\0");
        assert_eq!(proc.status(8), None);
    }

    #[test]
    fn a_cut_file_is_no_process() {
        let folder = tempfile::tempdir().expect("temp folder");
        let process = folder.path().join("7");
        fs::create_dir(&process).expect("folder");
        for text in ["", "7", "7 (", "7 (nginx)", "7 (nginx) S", "7 (nginx) S x"] {
            fs::write(process.join("stat"), text).expect("stat");
            assert_eq!(Proc::at(folder.path()).status(7), None, "{text:?}");
        }
    }
}

//! What `/proc` says about a worker's thread that serves.
//!
//! `/proc/PID/task/PID` is the main thread alone: the threads of a thread pool may wait as long as
//! they like.

use std::{
    ffi::c_long,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::kernel::calls;

/// As much of a file is read, in bytes.
const MAX_FILE: u64 = 16 * 1024;
/// Frames of a kernel stack that are kept.
const MAX_FRAMES: usize = 8;
/// Bytes of a file's name that are kept.
const MAX_NAME: usize = 200;

/// What the thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// `R`, `S`, `D`, `T`, `t`, `Z` … as in `/proc/PID/stat`.
    pub state: u8,
    /// Its processor time in user space, in hundredths of a second.
    pub user_ticks: u64,
    /// The same in the kernel.
    pub kernel_ticks: u64,
}

/// Where the thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a processor or waiting for one.
    Running,
    /// In a system call, by number and first argument.
    Call(c_long, u64),
    /// In the kernel, for a page perhaps, but in no system call.
    NoCall,
    /// We may not know.
    Unknown,
}

/// Reads one process's main thread.
pub(super) struct Reader<'a>(pub &'a Path, pub u32);

impl Reader<'_> {
    pub(super) fn thread(&self) -> Option<Thread> {
        parse_stat(&self.text("stat")?)
    }

    pub(super) fn place(&self) -> Place {
        self.text("syscall")
            .map_or(Place::Unknown, |text| parse_syscall(&text))
    }

    /// How often it gave up the processor of its own accord.
    pub(super) fn switches(&self) -> Option<u64> {
        let text = self.text("status")?;
        text.lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?
            .trim()
            .parse()
            .ok()
    }

    /// Where in the kernel it waits, innermost first: all frames with `CAP_SYS_ADMIN`, else one.
    pub(super) fn stack(&self) -> Vec<String> {
        let stack = self.text("stack").unwrap_or_default();
        let frames: Vec<_> = stack
            .lines()
            .filter_map(|line| line.rsplit(' ').next()?.split('+').next())
            .filter(|name| is_name(name))
            .take(MAX_FRAMES)
            .map(str::to_owned)
            .collect();
        if frames.is_empty() {
            let name = self.text("wchan").filter(|name| is_name(name));
            return name.into_iter().collect();
        }
        frames
    }

    /// What a descriptor leads to.
    pub(super) fn descriptor(&self, number: u64) -> Option<String> {
        let number = u32::try_from(number).ok()?;
        let link = fs::read_link(self.path(&format!("fd/{number}"))).ok()?;
        let name = link.as_os_str().as_encoded_bytes();
        let name = name.get(..MAX_NAME).unwrap_or(name);
        Some(name.escape_ascii().to_string())
    }

    fn path(&self, name: &str) -> PathBuf {
        let pid = self.1.to_string();
        self.0.join(&pid).join("task").join(&pid).join(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let file = File::open(self.path(name)).ok()?;
        file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        // A process's name may hold anything.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// `0` stands for nothing.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn parse_stat(text: &str) -> Option<Thread> {
    // The name may hold anything, spaces and brackets too.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    // Numbered as in proc_pid_stat(5), from the third.
    let state = *fields.next()?.as_bytes().first()?;
    let user_ticks = fields.nth(10)?.parse().ok()?; // 14
    let kernel_ticks = fields.next()?.parse().ok()?;
    Some(Thread {
        state,
        user_ticks,
        kernel_ticks,
    })
}

fn parse_syscall(text: &str) -> Place {
    let mut words = text.split_ascii_whitespace();
    match words.next() {
        Some("running") => Place::Running,
        Some("-1") => Place::NoCall,
        Some(number) => {
            let argument = words
                .next()
                .and_then(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok());
            match (number.parse(), argument) {
                (Ok(number), Some(argument)) => Place::Call(number, argument),
                _ => Place::Unknown,
            }
        }
        None => Place::Unknown,
    }
}

/// Whether a call is the one that nginx waits for events in.
pub(super) fn is_wait(call: c_long) -> bool {
    #[cfg(target_arch = "x86_64")]
    if call == libc::SYS_epoll_wait {
        return true;
    }
    call == libc::SYS_epoll_pwait || call == libc::SYS_epoll_pwait2
}

/// The same for the event methods `poll` and `select`.
pub(super) fn is_old_wait(call: c_long) -> bool {
    #[cfg(target_arch = "x86_64")]
    if call == libc::SYS_poll || call == libc::SYS_select {
        return true;
    }
    call == libc::SYS_ppoll || call == libc::SYS_pselect6
}

/// Calls that block and that nobody counts the failures of.
const BLOCKING: &[(c_long, &str)] = &[
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_sync, "sync"),
    (libc::SYS_msync, "msync"),
    (libc::SYS_munmap, "munmap"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_pselect6, "pselect6"),
    (libc::SYS_preadv, "preadv"),
    (libc::SYS_io_getevents, "io_getevents"),
    (libc::SYS_statfs, "statfs"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_select, "select"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, "vfork"),
];

/// Calls whose first argument is the descriptor that they are about.
const OF_DESCRIPTORS: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_connect,
    libc::SYS_accept4,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_getdents64,
    libc::SYS_close,
];

/// A call's name.
pub(super) fn name(call: c_long) -> String {
    let own = BLOCKING.iter().find(|(number, _)| *number == call);
    if let Some((_, name)) = own {
        return (*name).to_owned();
    }
    match u32::try_from(call).map_or("other", calls::name) {
        "other" => format!("system call {call}"),
        name => name.to_owned(),
    }
}

pub(super) fn is_of_descriptor(call: c_long) -> bool {
    OF_DESCRIPTORS.contains(&call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let stat = format!("7 (a) b) D 1{} 12 34 5", " 0".repeat(9));
        let expected = Thread {
            state: b'D',
            user_ticks: 12,
            kernel_ticks: 34,
        };
        assert_eq!(parse_stat(&stat), Some(expected));
        for end in 0..20 {
            assert_eq!(parse_stat(&stat[..end]), None);
        }
        assert_eq!(parse_syscall("running\n"), Place::Running);
        assert_eq!(parse_syscall("-1 0x7f 0x1"), Place::NoCall);
        assert_eq!(parse_syscall("232 0x8 0x5"), Place::Call(232, 8));
        assert_eq!(parse_syscall("0"), Place::Unknown);
        assert_eq!(parse_syscall(""), Place::Unknown);
        assert_eq!(name(libc::SYS_wait4), "wait4");
        assert_eq!(name(libc::SYS_openat), "openat");
        assert_eq!(name(9999), "system call 9999");
    }

    #[test]
    fn this_process_is_read() {
        let reader = Reader(Path::new("/proc"), std::process::id());
        assert!(reader.thread().is_some() && reader.switches().is_some());
        // The test runs in another thread: the first one waits for it.
        assert!(matches!(reader.place(), Place::Call(..)));
        assert!(reader.stack().iter().all(|frame| is_name(frame)));
        assert!(Reader(Path::new("/proc"), u32::MAX).thread().is_none());
    }
}

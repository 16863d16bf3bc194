//! What the kernel log says of an OOM kill: whose limit, how much memory.
//!
//! The `mark_victim` tracepoint names the victim; the rest stands only in the log, which is read
//! when a victim was marked and at no other time. The lines are those of `mm/oom_kill.c` and
//! `mm/memcontrol.c` since Linux 4.19.

mod syslog;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use self::syslog::Syslog;
use crate::facts::Memory;

/// Where the kernel log is read.
pub const KMSG_PATH: &str = "/dev/kmsg";
/// A log record is at most this long (`PRINTKRB_RECORD_MAX`, `CONSOLE_EXT_LOG_MAX`: 8 KiB).
const MAX_RECORD: usize = 8192;
/// As many records as are read at once; a full log buffer holds fewer.
const MAX_RECORDS: usize = 100_000;
/// As many kills as are kept for processes whose end was not yet seen.
const MAX_KILLS: usize = 256;

/// The scopes of [`Memory`]: a control group's limit, or the machine's.
pub(crate) const SCOPES: [&str; 2] = ["cgroup", "global"];

/// The kernel log from the moment it was opened on.
pub struct KernelLog {
    way: Way,
    parser: Parser,
}

/// How the log is read.
enum Way {
    Device(File),
    Calls(Syslog),
}

impl KernelLog {
    /// Opens the log at its end, by its device or else, in a container that has none, by `syslog(2)`.
    ///
    /// # Errors
    /// When neither is allowed (`CAP_SYSLOG`); then what the device said.
    pub fn open(path: &Path) -> io::Result<Self> {
        let way = match device(path) {
            Ok(file) => Way::Device(file),
            Err(error) => Syslog::open().map(Way::Calls).map_err(|_| error)?,
        };
        Ok(Self {
            way,
            parser: Parser::default(),
        })
    }

    /// How it is read, in words.
    #[must_use]
    pub fn way(&self) -> &'static str {
        match self.way {
            Way::Device(_) => KMSG_PATH,
            Way::Calls(_) => "syslog(2)",
        }
    }

    /// What the log says of the kill of `pid`, which it says before the process has ended.
    pub fn kill_of(&mut self, pid: u32) -> Option<Memory> {
        self.read_new();
        self.parser.take(pid)
    }

    fn read_new(&mut self) {
        let parser = &mut self.parser;
        match &mut self.way {
            Way::Device(file) => read_records(file, |line| parser.line(line)),
            Way::Calls(log) => log.read_new(|line| parser.line(line)),
        }
    }
}

fn device(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

fn read_records(file: &mut File, mut line: impl FnMut(&str)) {
    let mut buffer = [0; MAX_RECORD];
    for _ in 0..MAX_RECORDS {
        match file.read(&mut buffer) {
            Ok(length) if length > 0 => {
                let record = buffer.get(..length).unwrap_or_default();
                line(&String::from_utf8_lossy(message(record)));
            }
            // Some records were overwritten before they were read: go on with the next.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

/// The text of a record `priority,sequence,time,flags;text\n dictionary…`.
fn message(record: &[u8]) -> &[u8] {
    let text = record
        .splitn(2, |byte| *byte == b';')
        .nth(1)
        .unwrap_or(record);
    text.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Puts the lines of a kill together.
#[derive(Default)]
struct Parser {
    /// From `memory: usage …, limit …`, which stands before the victim is named.
    limit_bytes: Option<u64>,
    /// From `oom-kill:constraint=…`.
    scope: Option<&'static str>,
    kills: Vec<(u32, Memory)>,
}

impl Parser {
    fn line(&mut self, line: &str) {
        if line.contains(" invoked oom-killer: ") {
            (self.limit_bytes, self.scope) = (None, None);
        } else if let Some(usage) = line.strip_prefix("memory: usage ") {
            self.limit_bytes = kilobytes(usage, "limit ");
        } else if let Some(rest) = line.strip_prefix("oom-kill:constraint=") {
            let memcg = rest.starts_with("CONSTRAINT_MEMCG");
            self.scope = Some(if memcg { "cgroup" } else { "global" });
        } else if let Some((before, victim)) = line.split_once("Killed process ") {
            self.killed(before, victim);
        }
    }

    fn killed(&mut self, before: &str, victim: &str) {
        let Some(pid) = victim.split(' ').next().and_then(|pid| pid.parse().ok()) else {
            return;
        };
        let scope = if before.starts_with("Memory cgroup out of memory") {
            Some("cgroup")
        } else if before.starts_with("Out of memory") {
            Some("global")
        } else {
            self.scope
        };
        // The name stands in parentheses and may hold anything: look behind the last one.
        let figures = victim.rsplit_once(") ").map_or("", |(_, figures)| figures);
        let rss = ["anon-rss:", "file-rss:", "shmem-rss:"].map(|key| kilobytes(figures, key));
        let memory = Memory {
            rss_bytes: rss
                .iter()
                .any(Option::is_some)
                .then(|| rss.iter().flatten().sum()),
            limit_bytes: self.limit_bytes.filter(|_| scope == Some("cgroup")),
            scope,
        };
        if self.kills.len() >= MAX_KILLS {
            self.kills.remove(0);
        }
        self.kills.push((pid, memory));
    }

    fn take(&mut self, pid: u32) -> Option<Memory> {
        let position = self.kills.iter().rposition(|(victim, _)| *victim == pid)?;
        Some(self.kills.remove(position).1)
    }
}

/// The number of bytes of `KEY123kB` in a line.
fn kilobytes(line: &str, key: &str) -> Option<u64> {
    let rest = line.split_once(key)?.1;
    let digits = rest.split_once("kB")?.0;
    digits.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMCG: &[&str] = &[
        "nginx invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        "memory: usage 51200kB, limit 51200kB, failcnt 38",
        "memory+swap: usage 51200kB, limit 9007199254740988kB, failcnt 0",
        "kmem: usage 0kB, limit 9007199254740988kB, failcnt 0",
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=nginx,pid=42,uid=33",
        "Memory cgroup out of memory: Killed process 42 (nginx) total-vm:90000kB, anon-rss:45000kB, file-rss:1024kB, shmem-rss:0kB, UID:33 pgtables:200kB oom_score_adj:0",
    ];

    fn read(lines: &[&str]) -> Parser {
        let mut parser = Parser::default();
        for line in lines {
            parser.line(line);
        }
        parser
    }

    #[test]
    fn a_control_group_kill_has_its_limit() {
        let mut parser = read(MEMCG);
        let memory = parser.take(42);
        assert_eq!(
            memory,
            Some(Memory {
                rss_bytes: Some(46024 * 1024),
                limit_bytes: Some(51200 * 1024),
                scope: Some("cgroup"),
            })
        );
        assert_eq!(parser.take(42), None);
    }

    #[test]
    fn a_global_kill_has_no_limit() {
        let mut parser = read(&[
            MEMCG[0],
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=nginx,pid=7,uid=0",
            "Out of memory: Killed process 7 (a) total-vm:1kB) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:0",
        ]);
        let memory = parser.take(7).expect("named");
        assert_eq!((memory.scope, memory.limit_bytes), (Some("global"), None));
        assert_eq!(memory.rss_bytes, Some(8 * 1024));
    }

    #[test]
    fn a_new_kill_forgets_the_limit_of_the_last() {
        let mut lines = MEMCG.to_vec();
        lines.push(MEMCG[0]);
        lines.push("Memory cgroup out of memory: Killed process 43 (nginx) anon-rss:1kB");
        assert_eq!(read(&lines).take(43).expect("named").limit_bytes, None);
    }

    #[test]
    fn every_cut_of_every_line_is_survived() {
        for line in MEMCG {
            for end in 0..=line.len() {
                let mut parser = Parser::default();
                parser.line(line.get(..end).expect("ASCII"));
                parser.take(42);
            }
        }
        read(&[
            "Killed process (x) anon-rss:99999999999999999999kB",
            "Killed process 1",
        ]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut parser = Parser::default();
        for pid in 0..10_000 {
            parser.line(&format!(
                "Out of memory: Killed process {pid} (x) anon-rss:1kB"
            ));
        }
        assert_eq!(parser.kills.len(), MAX_KILLS);
        assert!(parser.take(9_999).is_some());
    }

    #[test]
    fn records_are_taken_apart() {
        assert_eq!(message(b"6,1,2,-;hello\n SUBSYSTEM=x\n"), b"hello");
        assert_eq!(message(b"6,1,2,-;a;b"), b"a;b");
        assert_eq!(message(b""), b"");
    }
}

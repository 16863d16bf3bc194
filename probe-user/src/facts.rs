//! What the sources saw, and what the agent says: the types between them.

mod down;
mod logged;
mod returns;
mod words;
mod written;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    backends::{BackendExit, BackendServes},
    clock::Time,
    container::Identity,
    errnos::Failure,
    hang::{Hung, Returned},
    listen_queue::Overflow,
    names::{self, Name},
    requests::{Answer, LostRequest},
};

pub use self::{
    down::{Down, FailedStart, Orphans, Stop, Task, detail},
    logged::{Logged, Noted, Sources},
    returns::{Returns, Served},
};

/// Which nginx: its master's pid-file path, in a container after the container's name.
pub type Instance = Arc<str>;

/// One thing that a source saw, put in terms of nginx.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fact {
    /// When it happened.
    pub time: Time,
    /// To which nginx; empty for what concerns every one.
    pub instance: Instance,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A child of the master was born, or found.
    WorkerStart(WorkerStart),
    /// A child of the master ended.
    WorkerExit(#[serde(with = "written::worker_exit")] Box<WorkerExit>),
    /// The master ended.
    MasterExit(MasterExit),
    /// The master was told to read its configuration again, and what came of it.
    Reload(Reload),
    /// A new binary took over.
    Upgrade(Upgrade),
    /// Neither a master nor a worker is left.
    Down(Down),
    /// A start of it failed while it was down, or was being stopped.
    StartFailed(FailedStart),
    /// Workers run without a master, whose end nobody saw.
    Orphans(Orphans),
    /// The access log has so many new answers, by status.
    Responses(BTreeMap<u16, u64>),
    /// The access log tells of a failed answer, which is among those too.
    Logged(Box<Logged>),
    /// The error log says something about a request.
    Noted(Box<Noted>),
    /// What is watched now.
    Sources(Sources),
    /// With which failures the configuration itself answers.
    Returns(Arc<Returns>),
    /// The error log says that a configuration was refused, and why: of a reload, or of a test.
    ConfigRefused(String),
    /// A worker answered with a failure, or hid an upstream's.
    Answer(Box<Answer>),
    /// A system call of a worker failed in a way that makes requests fail.
    CallFailed(Box<Failure>),
    /// A worker accepted a connection and closed it unserved.
    Dropped(Dropped),
    /// A listen queue had no room.
    Overflow(Box<Overflow>),
    /// A worker does not return to its event loop.
    Hung(Box<Hung>),
    /// One that did not does so again, or ended.
    Returned(Returned),
    /// A local program listens at an upstream's address, or does so again.
    BackendServes(BackendServes),
    /// A process of such a program ended.
    BackendExit(#[serde(with = "written::backend_exit")] Box<BackendExit>),
    /// In which container and systemd unit the instance runs from now on.
    Identity(Arc<Identity>),
    /// The instance has been gone for long: what was known of it is of no use any more.
    Forgotten,
    /// The kernel side could not deliver so many records.
    Lost(u64),
}

/// A connection that was accepted and closed unserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The worker.
    pub pid: u32,
    /// It was refused memory in the same turn.
    pub for_memory: bool,
    /// The client's address, where that was seen.
    pub client: Option<String>,
    /// So many of them.
    pub count: u64,
}

/// What a process of nginx is there for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads the configuration and looks after the others.
    Master,
    /// Serves requests.
    Worker,
    /// Keeps caches within their size.
    CacheManager,
    /// Reads caches after the start.
    CacheLoader,
    /// It ended before it said.
    #[default]
    Unknown,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Master,
        Self::Worker,
        Self::CacheManager,
        Self::CacheLoader,
        Self::Unknown,
    ];

    /// As in records and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Worker => "worker",
            Self::CacheManager => "cache_manager",
            Self::CacheLoader => "cache_loader",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It went wrong by itself: SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP or SIGSYS.
    Crash,
    /// The kernel's OOM killer.
    OomKill,
    /// A fatal signal that another process, or the kernel for another reason, sent.
    Killed,
    /// Exit code 0: a reload, an upgrade, a stop, a drained generation.
    Graceful,
    /// Any other exit code.
    ErrorExit,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::Crash,
        Self::OomKill,
        Self::Killed,
        Self::Graceful,
        Self::ErrorExit,
    ];

    /// As in records and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::OomKill => "oom_kill",
            Self::Killed => "killed",
            Self::Graceful => "graceful",
            Self::ErrorExit => "error_exit",
        }
    }
}

/// A worker or another child of the master began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStart {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// What it is there for.
    pub role: Role,
    /// Counts configurations: 1 at the start, one more with each reload or upgrade.
    pub generation: u32,
}

/// A worker or another child of the master ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerExit {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// What it was there for.
    pub role: Role,
    /// As in [`WorkerStart`].
    pub generation: u32,
    /// Why.
    pub reason: Reason,
    /// The signal's name, when one ended it.
    #[serde(deserialize_with = "names::optional")]
    pub signal: Option<Name>,
    /// The exit code, when no signal ended it.
    pub exit_code: Option<u8>,
    /// Whether the kernel wrote a core file.
    pub core_dumped: bool,
    /// Who sent the signal, when a process did.
    pub sender: Option<Sender>,
    /// Clients' connections that died with it; null where nothing follows them.
    pub lost_connections: Option<u64>,
    /// Requests without an answer that died with it, the oldest 64; null where nothing follows them.
    pub lost_requests: Option<Vec<LostRequest>>,
    /// All of them.
    #[serde(rename = "lost_requests_total")]
    pub lost_total: Option<u64>,
    /// Where it crashed.
    pub crash: Option<Crash>,
    /// What the OOM killer saw.
    pub memory: Option<Memory>,
    /// Seconds from start to end.
    pub uptime_s: f64,
    /// `shutdown_timeout` when it had drained for as long as `worker_shutdown_timeout` lets it, and
    /// cut its last requests off.
    #[serde(default, deserialize_with = "names::optional")]
    pub detail: Option<Name>,
    /// The master itself sent the signal: its way of ending a stop that takes too long.
    #[serde(skip)]
    pub by_master: bool,
    /// Its master had been sent SIGKILL too, or was gone with its whole pid namespace: part of the
    /// same event.
    #[serde(skip)]
    pub with_master: bool,
}

/// The process that sent a signal, as it was at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Real user in the initial user namespace.
    pub uid: u32,
    /// Its name, control bytes escaped.
    pub comm: String,
}

/// Where a process crashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// The address that it could not reach, in hexadecimal; null where the signal has none.
    pub address: Option<String>,
    /// The file whose code ran, as the process sees it.
    pub module: Option<String>,
    /// Where in that file, in hexadecimal: what `addr2line` takes.
    pub offset: Option<String>,
    /// The function, where the file names it.
    pub symbol: Option<String>,
    /// The calls that led there, innermost first.
    // Records have them as text, from which they cannot be had again: see `written`.
    #[serde(skip_deserializing)]
    pub stack: Vec<StackFrame>,
}

/// One call of a crash. Written as `module+0xoffset symbol+0xdistance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackFrame {
    /// Where in memory.
    pub address: u64,
    /// The file, as the process sees it.
    pub module: Option<String>,
    /// Where in the file.
    pub offset: Option<u64>,
    /// The function and how far into it.
    pub symbol: Option<String>,
    /// Found by searching the stack: calls before it may be missing.
    pub guessed: bool,
}

impl StackFrame {
    /// The file's name without its folder, and where in it.
    #[must_use]
    pub fn place(&self) -> String {
        let name = self
            .module
            .as_deref()
            .map(|path| path.rsplit('/').next().unwrap_or(path));
        self.place_in(name)
    }

    fn place_in(&self, module: Option<&str>) -> String {
        match (module, self.offset) {
            (Some(module), Some(offset)) => format!("{module}+{offset:#x}"),
            (Some(module), None) => module.to_owned(),
            _ => format!("{:#x}, in no file", self.address),
        }
    }
}

impl fmt::Display for StackFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.guessed {
            f.write_str("? ")?;
        }
        f.write_str(&self.place_in(self.module.as_deref()))?;
        self.symbol
            .iter()
            .try_for_each(|symbol| write!(f, " {symbol}"))
    }
}

impl Serialize for StackFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Memory at an OOM kill, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What the victim had resident.
    pub rss_bytes: Option<u64>,
    /// The limit that was hit; null for the whole machine's.
    pub limit_bytes: Option<u64>,
    /// `cgroup` or `global`; null when the kernel log could not be read.
    #[serde(deserialize_with = "names::optional")]
    pub scope: Option<Name>,
}

/// The master ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterExit {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Why.
    pub reason: Reason,
    /// The signal's name, when one ended it.
    #[serde(deserialize_with = "names::optional")]
    pub signal: Option<Name>,
    /// The exit code, when no signal ended it.
    pub exit_code: Option<u8>,
    /// Who sent the signal, or told it to end, when a process did.
    pub sender: Option<Sender>,
    /// Workers that it leaves behind, which nobody will replace or reload.
    pub orphans: u32,
    /// `stopped` when it was told to end and nothing of its nginx is meant to go on; `succeeded` when
    /// another master of it serves.
    #[serde(default, deserialize_with = "names::optional")]
    pub detail: Option<Name>,
}

/// A reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// What came of it.
    pub result: ReloadResult,
    /// The generation that serves now.
    pub generation: u32,
    /// `refused_before_signal` when `nginx -s reload` failed and sent no signal.
    #[serde(default, deserialize_with = "names::optional")]
    pub detail: Option<Name>,
}

/// What came of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// New workers were started.
    Ok,
    /// The configuration was refused; the old one serves on.
    Failed,
}

/// A new binary took over (USR2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The master that began it.
    pub old_master: u32,
    /// The master that it started.
    pub new_master: u32,
    /// The generation of the new master's workers.
    pub generation: u32,
}

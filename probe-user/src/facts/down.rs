//! What is seen when an nginx serves no more, or was started in vain.

use serde::{Deserialize, Serialize};

use super::{Reason, Sender};
use crate::{
    clock::Time,
    names::{self, Name},
};

/// The details of ends, reloads and `nginx_down`, as records name them.
pub mod detail {
    use crate::names::Name;

    /// Somebody told it to end.
    pub const STOPPED: Name = "stopped";
    /// It was stopped, and its new start failed.
    pub const FAILED_START: Name = "failed_start";
    /// The service manager stopped all of it after the OOM kill of one process.
    pub const OOM_POLICY: Name = "oom_policy";
    /// It was killed.
    pub const KILLED: Name = "killed";
    /// Another master of the same nginx serves on.
    pub const SUCCEEDED: Name = "succeeded";
    /// The command that should have told the master refused the configuration itself.
    pub const REFUSED_BEFORE_SIGNAL: Name = "refused_before_signal";

    /// A draining worker had no more time.
    pub const SHUTDOWN_TIMEOUT: Name = "shutdown_timeout";

    /// All of them.
    pub const ALL: [Name; 7] = [
        STOPPED,
        FAILED_START,
        OOM_POLICY,
        KILLED,
        SUCCEEDED,
        REFUSED_BEFORE_SIGNAL,
        SHUTDOWN_TIMEOUT,
    ];
}

/// Neither a master nor a worker of an instance is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    /// Its last master, in the initial pid namespace.
    pub master: u32,
    /// Who told it to end, when that was seen.
    pub stop: Option<Stop>,
    /// Why its last process ended; null where that was not seen.
    pub reason: Option<Reason>,
    /// Its end was not seen, and its pid file, which a master removes when it is told to end, still
    /// names it.
    pub left_pid_file: bool,
}

/// A master was told to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// When.
    pub time: Time,
    /// The signal's name.
    #[serde(deserialize_with = "names::one")]
    pub signal: Name,
    /// By whom; null when the kernel sent it, as a terminal does.
    pub sender: Option<Sender>,
    /// Its service manager, or what that runs in the control group of the service, sent it.
    pub managed: bool,
    /// So many milliseconds before, the OOM killer chose one of its processes.
    pub after_oom_ms: Option<u64>,
}

/// An nginx that was started in the place of one that serves no more, and ended without serving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStart {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// What it was to do.
    pub task: Task,
    /// The signal's name, when one ended it.
    #[serde(deserialize_with = "names::optional")]
    pub signal: Option<Name>,
    /// The exit code, when no signal ended it.
    pub exit_code: Option<u8>,
    /// The service manager ran it: it is one step of a start.
    pub managed: bool,
}

/// What an nginx was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// To serve.
    Serve,
    /// To test the configuration (`-t`).
    Test,
    /// Its command line could not be read before it ended.
    Unknown,
}

/// Workers that were found running without a master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphans {
    /// How many; none once the last of them has ended.
    pub workers: u32,
    /// The master that they had, where a pid file names it.
    pub master: Option<u32>,
}

//! Settings of the processes: how many, who they are, what they may use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lexer::Words;
use super::pool::text;
use super::units::{number, switch, time};

/// How many workers nginx is told to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerProcesses {
    /// One per online CPU.
    Auto,
    /// That many.
    Count(u32),
}

/// What a configuration says of the processes, outside every block and in `events`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the configuration"
)]
pub struct Process {
    /// `user`: whom the workers run as; `None` for the compiled-in one.
    pub user: Option<String>,
    /// `daemon`; on when not set.
    pub daemon: bool,
    /// `master_process`; on when not set. Without one, a single process does everything.
    pub master_process: bool,
    /// `worker_rlimit_nofile`: descriptors a worker may have; `None` for the limit it was started
    /// with.
    pub rlimit_nofile: Option<u64>,
    /// `worker_shutdown_timeout`: how long a draining worker lives at most; `None` for as long as
    /// its last connection.
    pub shutdown_timeout: Option<Duration>,
    /// `multi_accept`; off when not set.
    pub multi_accept: bool,
    /// `accept_mutex`; off when not set, as since nginx 1.11.3.
    pub accept_mutex: bool,
}

/// [`Process`] and what is kept beside it, while they are read.
#[derive(Debug)]
pub(super) struct Main {
    pub(super) pid: Option<PathBuf>,
    pub(super) worker_processes: WorkerProcesses,
    pub(super) worker_connections: u32,
    pub(super) process: Process,
}

impl Main {
    pub(super) fn new() -> Self {
        Self {
            pid: None,
            worker_processes: WorkerProcesses::Count(1),
            worker_connections: 512,
            process: Process {
                user: None,
                daemon: true,
                master_process: true,
                rlimit_nofile: None,
                shutdown_timeout: None,
                multi_accept: false,
                accept_mutex: false,
            },
        }
    }

    /// Takes a directive outside every block. False for an odd value.
    pub(super) fn directive(&mut self, words: &Words, prefix: &Path) -> bool {
        let Some(value) = words.argument(0) else {
            return true;
        };
        let process = &mut self.process;
        match words.name() {
            b"pid" => {
                let path = prefix.join(super::path_of(value));
                self.pid = Some(path.components().collect());
                true
            }
            b"worker_processes" if value == b"auto" => {
                self.worker_processes = WorkerProcesses::Auto;
                true
            }
            b"worker_processes" => number(value)
                .filter(|&count| count > 0)
                .map(|count| self.worker_processes = WorkerProcesses::Count(count))
                .is_some(),
            b"user" => {
                process.user = Some(text(value));
                true
            }
            b"daemon" => set(&mut process.daemon, switch(value)),
            b"master_process" => set(&mut process.master_process, switch(value)),
            b"worker_rlimit_nofile" => set(&mut process.rlimit_nofile, number(value).map(Some)),
            b"worker_shutdown_timeout" => set(&mut process.shutdown_timeout, time(value).map(Some)),
            _ => true,
        }
    }

    /// Takes a directive of `events`. False for an odd value.
    pub(super) fn events(&mut self, words: &Words) -> bool {
        let Some(value) = words.argument(0) else {
            return true;
        };
        match words.name() {
            b"worker_connections" => set(&mut self.worker_connections, number(value)),
            b"multi_accept" => set(&mut self.process.multi_accept, switch(value)),
            b"accept_mutex" => set(&mut self.process.accept_mutex, switch(value)),
            _ => true,
        }
    }
}

fn set<T>(field: &mut T, value: Option<T>) -> bool {
    value.map(|value| *field = value).is_some()
}

//! What the programs keep of workers and of their connections.

use std::collections::HashMap as StdHashMap;

use aya::{
    Ebpf, Pod,
    maps::{HashMap, MapData, MapError},
};
use nginx_probe_ebpf::connection::{self, Connection, Failure, Message, Worker, pid_of};

use super::load::{LoadError, maps, take};

/// A [`Worker`] as the map holds it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct WorkerValue(Worker);
/// A [`Connection`] as the map holds it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct ConnectionValue(Connection);
/// A [`Failure`] as the map holds it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct FailureKey(Failure);
/// A [`Message`] as the map holds it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct MessageKey(Message);

// SAFETY: numbers and arrays of numbers, with no padding between them (`connection` asserts the
// sizes), so any bytes are a value.
unsafe impl Pod for WorkerValue {}
// SAFETY: as above.
unsafe impl Pod for ConnectionValue {}
// SAFETY: as above.
unsafe impl Pod for FailureKey {}
// SAFETY: as above.
unsafe impl Pod for MessageKey {}

/// `BPF_NOEXIST`: what the programs have begun to fill is left alone.
const NO_EXIST: u64 = 1;

/// The maps of workers, connections and failures.
pub struct Workers {
    followed: HashMap<MapData, u32, WorkerValue>,
    connections: HashMap<MapData, u64, ConnectionValue>,
    failures: HashMap<MapData, FailureKey, u64>,
    messages: HashMap<MapData, MessageKey, u64>,
}

impl Workers {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            followed: HashMap::try_from(take(ebpf, "WORKERS")?).map_err(maps)?,
            connections: HashMap::try_from(take(ebpf, "CONNECTIONS")?).map_err(maps)?,
            failures: HashMap::try_from(take(ebpf, "FAILURES")?).map_err(maps)?,
            messages: HashMap::try_from(take(ebpf, "MESSAGES")?).map_err(maps)?,
        })
    }

    /// Begins to follow a worker's requests, unless its birth was seen and they are followed.
    ///
    /// # Errors
    /// When the kernel's table is full.
    pub fn follow(&mut self, pid: u32) -> Result<(), MapError> {
        match self
            .followed
            .insert(pid, WorkerValue(connection::BLANK_WORKER), NO_EXIST)
        {
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// The counters of a worker.
    #[must_use]
    pub fn get(&self, pid: u32) -> Option<Worker> {
        self.followed.get(&pid, 0).ok().map(|value| value.0)
    }

    /// Stops following a process, and gives its counters and the connections that it had.
    pub fn take(&mut self, pid: u32) -> Option<(Worker, Vec<Connection>)> {
        let worker = self.get(pid)?;
        self.followed.remove(&pid).ok()?;
        let keys: Vec<_> = self
            .connections
            .keys()
            .filter_map(Result::ok)
            .filter(|key| pid_of(*key) == pid)
            .collect();
        let mut connections = Vec::with_capacity(keys.len());
        for key in keys {
            if let Ok(value) = self.connections.get(&key, 0) {
                connections.push(value.0);
            }
            let _ = self.connections.remove(&key);
        }
        Some((worker, connections))
    }

    /// The connections that a worker has now.
    #[must_use]
    pub fn connections(&self, pid: u32) -> Vec<Connection> {
        let keys = self.connections.keys().filter_map(Result::ok);
        keys.filter(|key| pid_of(*key) == pid)
            .filter_map(|key| self.connections.get(&key, 0).ok())
            .map(|value| value.0)
            .collect()
    }

    /// How often each call failed how, since the start, by process; what belongs to processes that
    /// `lives` denies is forgotten after it was given.
    pub fn failures(&mut self, lives: impl Fn(u32) -> bool) -> StdHashMap<Failure, u64> {
        let failures: StdHashMap<_, _> = self
            .failures
            .iter()
            .filter_map(Result::ok)
            .map(|(key, count)| (key.0, count))
            .collect();
        for failure in failures.keys().filter(|failure| !lives(failure.pid)) {
            let _ = self.failures.remove(&FailureKey(*failure));
        }
        failures
    }

    /// How often each message was meant for the error log, likewise.
    pub fn messages(&mut self, lives: impl Fn(u32) -> bool) -> StdHashMap<Message, u64> {
        let messages: StdHashMap<_, _> = self
            .messages
            .iter()
            .filter_map(Result::ok)
            .map(|(key, count)| (key.0, count))
            .collect();
        for message in messages.keys().filter(|message| !lives(message.pid)) {
            let _ = self.messages.remove(&MessageKey(*message));
        }
        messages
    }
}

//! What the programs keep of workers and of their connections.

use std::collections::HashMap as StdHashMap;

use aya::{
    Ebpf, Pod,
    maps::{Array, HashMap, MapData, MapError},
};
use nginx_probe_ebpf::{
    connection::{self, Connection, Failure, Message, Worker},
    table::{self, FREED},
};

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

/// The maps of workers, connections and failures.
pub struct Workers {
    followed: Array<MapData, WorkerValue>,
    keys: Array<MapData, u64>,
    connections: Array<MapData, ConnectionValue>,
    failures: HashMap<MapData, FailureKey, u64>,
    messages: HashMap<MapData, MessageKey, u64>,
}

impl Workers {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            followed: Array::try_from(take(ebpf, "WORKERS")?).map_err(maps)?,
            keys: Array::try_from(take(ebpf, "CONNECTION_KEYS")?).map_err(maps)?,
            connections: Array::try_from(take(ebpf, "CONNECTIONS")?).map_err(maps)?,
            failures: HashMap::try_from(take(ebpf, "FAILURES")?).map_err(maps)?,
            messages: HashMap::try_from(take(ebpf, "MESSAGES")?).map_err(maps)?,
        })
    }

    /// Begins to follow a worker's requests, unless its birth was seen and they are followed. `false`
    /// when there is no more room.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub fn follow(&mut self, pid: u32) -> Result<bool, MapError> {
        if self.find(pid).is_some() {
            return Ok(true);
        }
        for place in self.places_of(pid) {
            if u64::from(self.followed.get(&place, 0)?.0.pid) <= FREED {
                let new = Worker {
                    pid,
                    ..connection::BLANK_WORKER
                };
                self.followed.set(place, WorkerValue(new), 0)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The counters of a worker.
    #[must_use]
    pub fn get(&self, pid: u32) -> Option<Worker> {
        self.find(pid).map(|(_, worker)| worker)
    }

    fn places_of(&self, pid: u32) -> impl Iterator<Item = u32> + use<> {
        let mask = self.followed.len().saturating_sub(1);
        (0..table::WORKER_PROBES).map(move |probe| table::worker_place(pid, probe, mask))
    }

    fn find(&self, pid: u32) -> Option<(u32, Worker)> {
        self.places_of(pid).find_map(|place| {
            let worker = self.followed.get(&place, 0).ok()?.0;
            (worker.pid == pid).then_some((place, worker))
        })
    }

    /// Stops following a process, and gives its counters and the connections that it had.
    pub fn take(&mut self, pid: u32) -> Option<(Worker, Vec<Connection>)> {
        let (place, worker) = self.find(pid)?;
        let free = Worker {
            pid: u32::try_from(FREED).unwrap_or_default(),
            ..connection::BLANK_WORKER
        };
        self.followed.set(place, WorkerValue(free), 0).ok()?;
        let places = self.places_of_connections(&worker);
        let connections = self.at(&places);
        for place in places {
            // Else the place stays taken, which is all.
            let _ = self.keys.set(place, FREED, 0);
        }
        Some((worker, connections))
    }

    /// The connections that a worker has now.
    #[must_use]
    pub fn connections(&self, pid: u32) -> Vec<Connection> {
        let worker = self.get(pid);
        let places = worker.map(|worker| self.places_of_connections(&worker));
        self.at(&places.unwrap_or_default())
    }

    fn at(&self, places: &[u32]) -> Vec<Connection> {
        let at = |place| self.connections.get(place, 0).ok();
        places.iter().filter_map(at).map(|value| value.0).collect()
    }

    fn places_of_connections(&self, worker: &Worker) -> Vec<u32> {
        let mut places = Vec::new();
        let mut left = worker.connections;
        for descriptor in 0..=worker.highest {
            if left == 0 {
                break;
            }
            if let Some(place) = self.place(connection::key(worker.pid, descriptor)) {
                places.push(place);
                left -= 1;
            }
        }
        places
    }

    fn place(&self, key: u64) -> Option<u32> {
        let size = self.keys.len();
        let (mut at, step) = table::place(key, size);
        for _ in 0..table::PROBES {
            match self.keys.get(&at, 0).ok()? {
                found if found == key => return Some(at),
                table::EMPTY => return None,
                _ => at = table::next_place(at, step, size),
            }
        }
        None
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

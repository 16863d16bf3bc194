//! The maps that hold what is known of workers and their connections.

use aya_ebpf::{
    helpers::generated,
    macros::map,
    maps::{Array, HashMap, LruHashMap},
};
use nginx_probe_ebpf::{
    connection::{Connection, Failure, Message, Worker, key, pid_of},
    layout::index,
    record::Kind,
    table::{self, EMPTY, FREED, LEAST, PROBES, WORKER_PROBES},
};

use crate::{kernel::layout, ring::count_lost};

// Every map has its memory from the start: before Linux 6.1 a program of a tracepoint must not ask
// for any. The agent sets the sizes of the first three before they are made.

/// The workers that are followed, each in one of its places of the [table].
#[map]
static WORKERS: Array<Worker> = Array::with_max_entries(128, 0);

/// The keys of their connections, likewise.
#[map]
static CONNECTION_KEYS: Array<u64> = Array::with_max_entries(LEAST, 0);

/// Their connections, each in the place of its key.
#[map]
static CONNECTIONS: Array<Connection> = Array::with_max_entries(LEAST, 0);

/// Places of the first, less one.
#[unsafe(no_mangle)]
static WORKER_MASK: u32 = 127;

/// Places of the other two.
#[unsafe(no_mangle)]
static CONNECTION_PLACES: u32 = LEAST;

/// No place.
const NONE: u32 = u32::MAX;

/// Connections that are being made, by the kernel's socket.
#[map]
static CONNECTING: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1_024, 0);

/// How often which call failed how.
#[map]
static FAILURES: HashMap<Failure, u64> = HashMap::with_max_entries(1_024, 0);

/// How often which message was meant for the error log.
#[map]
static MESSAGES: HashMap<Message, u64> = HashMap::with_max_entries(1_024, 0);

/// A worker of which nothing is known yet, which is larger than a program's stack.
#[map]
static BLANK_WORKER: Array<Worker> = Array::with_max_entries(1, 0);

/// What is known of a followed process.
#[inline]
pub fn get(pid: u32) -> Option<&'static mut Worker> {
    if pid <= FREED as u32 {
        return None; // the idle task, which no worker is
    }
    for probe in 0..WORKER_PROBES {
        let worker = worker_at(pid, probe)?;
        if worker.pid == pid {
            return Some(worker);
        }
        if worker.pid == EMPTY as u32 {
            return None; // mostly by the first look
        }
    }
    None
}

#[inline]
fn worker_at(pid: u32, probe: u32) -> Option<&'static mut Worker> {
    // SAFETY: a static of one word; read volatile because the agent sets it.
    let mask = unsafe { core::ptr::read_volatile(&raw const WORKER_MASK) };
    // SAFETY: the value lives in the map, and only the worker's own main thread changes it.
    WORKERS
        .get_ptr_mut(table::worker_place(pid, probe, mask))
        .map(|worker| unsafe { &mut *worker })
}

/// A worker that has slept has waited for events: what it does now is for nobody yet. For workers
/// that are followed by their sockets, whose waiting is not seen.
#[inline]
pub fn note_sleep(worker: &mut Worker) {
    // SAFETY: the helper cannot fail, the verifier knows the type behind the pointer, and the layout
    // is a constant.
    let sleeps = unsafe {
        generated::bpf_get_current_task_btf()
            .byte_add(layout(index::TASK_SLEEPS) as usize)
            .cast::<u64>()
            .read()
    };
    if worker.sleeps != sleeps {
        worker.sleeps = sleeps;
        worker.turn();
    }
}

/// Begins to follow a process that is being born.
#[inline]
pub fn follow(pid: u32) {
    if try_follow(pid).is_none() {
        count_lost(Kind::Request);
    }
}

#[inline]
fn try_follow(pid: u32) -> Option<()> {
    let blank = BLANK_WORKER.get_ptr(0)?;
    for probe in 0..WORKER_PROBES {
        let worker = worker_at(pid, probe)?;
        if worker.pid > FREED as u32 && worker.pid != pid {
            continue;
        }
        // SAFETY: both are whole values of maps.
        let copied = unsafe {
            generated::bpf_probe_read_kernel(
                core::ptr::from_mut(worker).cast(),
                size_of::<Worker>() as u32,
                blank.cast(),
            )
        };
        worker.born = 1;
        worker.pid = pid;
        return (copied == 0).then_some(());
    }
    None
}

/// Ends it.
#[inline]
pub fn unfollow(pid: u32) {
    if let Some(worker) = get(pid) {
        worker.pid = FREED as u32;
    }
}

/// What is known of a connection.
#[inline]
pub fn connection(pid: u32, descriptor: u32) -> Option<&'static mut Connection> {
    connection_at(find(pid, descriptor))
}

#[inline]
fn connection_at(place: u32) -> Option<&'static mut Connection> {
    // SAFETY: as above: a worker's connections are its own.
    CONNECTIONS
        .get_ptr_mut(place)
        .map(|connection| unsafe { &mut *connection })
}

#[inline]
fn places() -> u32 {
    // SAFETY: a static of one word; read volatile because the agent sets it.
    unsafe { core::ptr::read_volatile(&raw const CONNECTION_PLACES) }
}

#[inline]
fn key_at(place: u32) -> Option<&'static mut u64> {
    // SAFETY: the value lives in the map.
    CONNECTION_KEYS
        .get_ptr_mut(place)
        .map(|key| unsafe { &mut *key })
}

/// The place of a connection. A function of its own, which the verifier looks at once a program.
#[inline(never)]
fn find(pid: u32, descriptor: u32) -> u32 {
    let wanted = key(pid, descriptor);
    let size = places();
    let (mut at, step) = table::place(wanted, size);
    for _ in 0..PROBES {
        match key_at(at) {
            Some(key) if *key == wanted => return at,
            Some(key) if *key != EMPTY => {}
            _ => return NONE,
        }
        at = table::next_place(at, step, size);
    }
    NONE
}

/// Takes a free place for a connection that has none.
#[inline(never)]
fn claim(pid: u32, descriptor: u32) -> u32 {
    let new = key(pid, descriptor);
    let size = places();
    let (mut at, step) = table::place(new, size);
    for _ in 0..PROBES {
        let Some(key) = key_at(at) else {
            return NONE;
        };
        if *key <= FREED {
            *key = new;
            return at;
        }
        at = table::next_place(at, step, size);
    }
    NONE
}

/// Frees the place of a connection; whether it had one.
#[inline]
fn free(pid: u32, descriptor: u32) -> bool {
    match key_at(find(pid, descriptor)) {
        Some(key) => {
            *key = FREED;
            true
        }
        None => false,
    }
}

/// Begins to keep a connection; one that the descriptor stood for before is forgotten.
#[inline]
pub fn open(worker: &mut Worker, pid: u32, descriptor: u32) -> Option<&'static mut Connection> {
    close(worker, pid, descriptor);
    let Some(connection) = connection_at(claim(pid, descriptor)) else {
        count_lost(Kind::Request);
        return None;
    };
    connection.clear();
    worker.connections += 1;
    if descriptor > worker.highest {
        worker.highest = descriptor;
    }
    Some(connection)
}

/// Forgets one.
#[inline]
pub fn close(worker: &mut Worker, pid: u32, descriptor: u32) {
    if free(pid, descriptor) {
        worker.connections = worker.connections.saturating_sub(1);
    }
}

/// Notes that a connection is being made with a socket of the kernel's.
#[inline]
pub fn connecting(socket: u64, pid: u32, descriptor: u32) {
    // Without room, how it goes is not known.
    let _ = CONNECTING.insert(socket, key(pid, descriptor), 0);
}

/// The connection that was being made with a socket; it is no more.
#[inline]
pub fn connected(socket: u64) -> Option<(u32, u32)> {
    // SAFETY: the value lives in the map and is one word.
    let key = CONNECTING.get_ptr(socket).map(|key| unsafe { *key })?;
    let _ = CONNECTING.remove(socket);
    Some((pid_of(key), key as u32))
}

/// Counts a failure.
#[inline]
pub fn count_failure(failure: Failure) {
    if let Some(count) = FAILURES.get_ptr_mut(failure) {
        // SAFETY: the value lives in the map; a thread of the same worker may race and one of two
        // failures at the same nanosecond be lost.
        unsafe { *count += 1 };
    } else if FAILURES.insert(failure, 1, 0).is_err() {
        count_lost(Kind::Errno);
    }
}

/// Counts an error-log message; `false` when there was none like it yet.
#[inline]
pub fn count_message(message: &Message) -> bool {
    let Some(count) = MESSAGES.get_ptr_mut(message) else {
        return false;
    };
    // SAFETY: as above.
    unsafe { *count += 1 };
    true
}

/// Counts the first of its like.
#[inline]
pub fn first_message(message: &Message) {
    if MESSAGES.insert(message, 1, 0).is_err() {
        count_lost(Kind::LogMessage);
    }
}

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
};

use crate::{kernel::layout, ring::count_lost};

// Every map has its memory from the start: before Linux 6.1 a program of a tracepoint must not ask
// for any. The agent sets the sizes of the first two before they are made.

/// The processes whose system calls are followed.
#[map]
static WORKERS: HashMap<u32, Worker> = HashMap::with_max_entries(64, 0);

/// Their connections.
#[map]
static CONNECTIONS: HashMap<u64, Connection> = HashMap::with_max_entries(16_384, 0);

/// Connections that are being made, by the kernel's socket.
#[map]
static CONNECTING: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1_024, 0);

/// How often which call failed how.
#[map]
static FAILURES: HashMap<Failure, u64> = HashMap::with_max_entries(1_024, 0);

/// How often which message was meant for the error log.
#[map]
static MESSAGES: HashMap<Message, u64> = HashMap::with_max_entries(1_024, 0);

/// A worker and a connection of which nothing is known yet: both are larger than a program's stack.
#[map]
static BLANK_WORKER: Array<Worker> = Array::with_max_entries(1, 0);
#[map]
static BLANK_CONNECTION: Array<Connection> = Array::with_max_entries(1, 0);

/// What is known of a followed process.
#[inline]
pub fn get(pid: u32) -> Option<&'static mut Worker> {
    // SAFETY: the value lives in the map, and only the worker's own main thread changes it.
    WORKERS
        .get_ptr_mut(pid)
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
    if let Some(blank) = BLANK_WORKER.get(0)
        && WORKERS.insert(pid, blank, 0).is_err()
    {
        count_lost(Kind::Request);
    }
    if let Some(worker) = get(pid) {
        worker.born = 1;
    }
}

/// Ends it.
#[inline]
pub fn unfollow(pid: u32) {
    let _ = WORKERS.remove(pid);
}

/// What is known of a connection.
#[inline]
pub fn connection(pid: u32, descriptor: u32) -> Option<&'static mut Connection> {
    // SAFETY: as above: a worker's connections are its own.
    CONNECTIONS
        .get_ptr_mut(key(pid, descriptor))
        .map(|connection| unsafe { &mut *connection })
}

/// Begins to keep a connection; one that the descriptor stood for before is forgotten.
#[inline]
pub fn open(worker: &mut Worker, pid: u32, descriptor: u32) -> Option<&'static mut Connection> {
    let blank = BLANK_CONNECTION.get(0)?;
    close(worker, pid, descriptor);
    if CONNECTIONS.insert(key(pid, descriptor), blank, 0).is_err() {
        count_lost(Kind::Request);
        return None;
    }
    worker.connections += 1;
    connection(pid, descriptor)
}

/// Forgets one.
#[inline]
pub fn close(worker: &mut Worker, pid: u32, descriptor: u32) {
    if CONNECTIONS.remove(key(pid, descriptor)).is_ok() {
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

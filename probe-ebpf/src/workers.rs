//! The maps that hold what is known of workers and their connections.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap},
};
use nginx_probe_ebpf::{
    connection::{Connection, Failure, Message, Worker, key},
    record::Kind,
};

use crate::ring::count_lost;

// Every map has its memory from the start: before Linux 6.1 a program of a tracepoint must not ask
// for any. The agent sets the sizes of the first two before they are made.

/// The processes whose system calls are followed.
#[map]
static WORKERS: HashMap<u32, Worker> = HashMap::with_max_entries(64, 0);

/// Their connections.
#[map]
static CONNECTIONS: HashMap<u64, Connection> = HashMap::with_max_entries(16_384, 0);

/// How often which call failed how.
#[map]
static FAILURES: HashMap<Failure, u64> = HashMap::with_max_entries(2_048, 0);

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

/// Begins to follow a process.
#[inline]
pub fn follow(pid: u32) {
    if let Some(blank) = BLANK_WORKER.get(0)
        && WORKERS.insert(pid, blank, 0).is_err()
    {
        count_lost(Kind::Request);
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

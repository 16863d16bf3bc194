//! What the programs keep of each worker and of each of its connections, in maps that the agent
//! reads when a worker has died.

use core::mem::size_of;

/// Bytes of a request that are kept: method, path and perhaps its query, which the agent cuts off.
pub const REQUEST_LEN: usize = 144;
/// Bytes of an upstream's socket address that are kept: all of an internet one; a unix one's path is
/// cut.
pub const ADDRESS_LEN: usize = 48;
/// The same of a client's, which has no path.
pub const CLIENT_LEN: usize = 32;
/// Upstream attempts of one request whose outcome is kept: the first ones and the last.
pub const ATTEMPTS: usize = 4;
/// Statuses that are counted one by one: 0 to 599.
pub const STATUSES: usize = 600;

/// Which side of nginx a connection is on.
pub mod role {
    /// Of no interest: a resolver, a logger.
    pub const OTHER: u8 = 0;
    /// A client speaks HTTP/1 on it.
    pub const CLIENT: u8 = 1;
    /// A client speaks TLS or HTTP/2 on it: what is said cannot be read.
    pub const OPAQUE_CLIENT: u8 = 2;
    /// Leads to an upstream.
    pub const UPSTREAM: u8 = 3;
}

/// How far the talk on a connection is.
pub mod phase {
    /// Nothing was said yet.
    pub const NEW: u8 = 0;
    /// A request was seen, and no answer.
    pub const ASKED: u8 = 1;
    /// The answer's status was seen.
    pub const ANSWERED: u8 = 2;
}

/// What an upstream speaks.
pub mod protocol {
    /// Not known, or none whose answers can be read.
    pub const UNKNOWN: u8 = 0;
    /// HTTP/1.
    pub const HTTP: u8 = 1;
    /// `FastCGI`.
    pub const FASTCGI: u8 = 2;
    /// uwsgi.
    pub const UWSGI: u8 = 3;
    /// SCGI.
    pub const SCGI: u8 = 4;
    /// HTTP/2, as gRPC uses it.
    pub const GRPC: u8 = 5;
    /// TLS.
    pub const TLS: u8 = 6;
}

/// How an upstream attempt ended that brought no status. Values up to 999 are error numbers.
pub mod outcome {
    /// It has not ended, or it brought a status.
    pub const NONE: u16 = 0;
    /// The upstream closed the connection.
    pub const CLOSED: u16 = 1000;
    /// nginx closed it without an answer, before the connection stood.
    pub const GAVE_UP_CONNECTING: u16 = 1001;
    /// nginx closed it without an answer, after it had asked.
    pub const GAVE_UP: u16 = 1002;
    /// What came was no answer of the protocol.
    pub const INVALID: u16 = 1003;
    /// It was asked in TLS, HTTP/2 or a protocol that is not known, so that nobody can read what it
    /// answered.
    pub const UNREAD: u16 = 1004;
}

/// Bits of [`Connection::flags`] and of a record's.
pub mod flag {
    /// The worker waits for it.
    pub const ADDED: u8 = 1;
    /// The client closed its side before it was answered.
    pub const CLIENT_GONE: u8 = 2;
    /// The upstream wrote to its standard error (`FastCGI`).
    pub const STDERR: u8 = 4;
    /// The answer followed another one with no new bytes of the client: a pipelined request.
    pub const PIPELINED: u8 = 8;
    /// The upstream's connection was matched by the order of events, not by the request.
    pub const ADOPTED: u8 = 16;
    /// It was there before the agent.
    pub const OLDER: u8 = 32;
    /// Bytes came after the request's first ones.
    pub const MORE: u8 = 64;
    /// The answer's own bytes cannot be read. Of a record only.
    pub const OPAQUE: u8 = 128;
    /// nginx said the message after it had sent the answer's beginning. Of a record only.
    pub const LATE: u16 = 256;
    /// nginx closed the connection of a client that waited, and sent no answer. Of a record only.
    pub const CUT: u16 = 512;
}

/// In place of a client's status: its upstream ended its answer, nginx said a message about that, and
/// the client has got nothing yet.
pub const ENDED_EARLY: u16 = 1;

/// A connection of a worker.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Connection {
    /// See [`role`].
    pub role: u8,
    /// See [`phase`].
    pub phase: u8,
    /// What an upstream speaks; of a client, what its last upstream did. See [`protocol`].
    pub protocol: u8,
    /// See [`flag`].
    pub flags: u8,
    /// Of an upstream: the client's descriptor plus one; zero when none is known.
    pub parent: u32,
    /// When the request began: of a client its first byte, of an upstream the connecting. Of a
    /// client without a request: when it was accepted. Nanoseconds since boot.
    pub started_ns: u64,
    /// When the last upstream's status came; zero before.
    pub header_ns: u64,
    /// The kernel's socket, where that is known; zero else. The descriptor may have come to mean
    /// another without a word of it.
    pub socket: u64,
    /// Where the first bytes went to, and how many are there.
    pub buffer: u64,
    /// See `buffer`.
    pub length: u32,
    /// Of an upstream: its status, zero before. Of a client: what it was answered with last, or
    /// [`ENDED_EARLY`].
    pub status: u16,
    /// Upstream attempts of the request.
    pub attempts: u16,
    /// Status of each attempt, zero when it brought none.
    pub statuses: [u16; ATTEMPTS],
    /// See [`outcome`].
    pub outcomes: [u16; ATTEMPTS],
    /// The last call that failed while the request was worked on, and its error number.
    pub failed_call: u16,
    /// See `failed_call`.
    pub failed_errno: u16,
    /// Of a client: the code of the error answer that nginx itself began last; zero when none.
    pub made: u16,
    /// The error number of `message`.
    pub message_errno: u16,
    /// The worst message that nginx had for its error log on the way: see [`message`].
    pub message: u64,
    /// Of a client: its socket address, as the worker got it.
    pub client: [u8; CLIENT_LEN],
    /// The upstream's, as the worker gave it; of a client the last upstream's.
    pub upstream: [u8; ADDRESS_LEN],
    /// The first bytes of the request.
    pub request: [u8; REQUEST_LEN],
}

const _: () = assert!(size_of::<Connection>() == 80 + CLIENT_LEN + ADDRESS_LEN + REQUEST_LEN);

/// A connection of which nothing is known yet.
pub const BLANK_CONNECTION: Connection = Connection {
    role: role::OTHER,
    phase: phase::NEW,
    protocol: protocol::UNKNOWN,
    flags: 0,
    parent: 0,
    started_ns: 0,
    header_ns: 0,
    socket: 0,
    buffer: 0,
    length: 0,
    status: 0,
    attempts: 0,
    statuses: [0; ATTEMPTS],
    outcomes: [outcome::NONE; ATTEMPTS],
    failed_call: 0,
    failed_errno: 0,
    made: 0,
    message_errno: 0,
    message: 0,
    client: [0; CLIENT_LEN],
    upstream: [0; ADDRESS_LEN],
    request: [0; REQUEST_LEN],
};

/// An error-log message as one number: its level (1 `emerg` to 7 `info`) in the upper byte, the
/// address of its format string in the rest; zero is none.
#[must_use]
pub const fn message(level: u8, format: u64) -> u64 {
    (level as u64) << 56 | (format & FORMAT)
}

/// The level and the format's address of a message.
#[must_use]
pub const fn message_parts(message: u64) -> (u8, u64) {
    ((message >> 56) as u8, message & FORMAT)
}

/// No process has memory above that.
const FORMAT: u64 = (1 << 56) - 1;

/// Key of a connection: the worker in the upper half, the descriptor in the lower.
#[must_use]
pub const fn key(pid: u32, descriptor: u32) -> u64 {
    (pid as u64) << 32 | descriptor as u64
}

impl Connection {
    /// Nothing is known of it any more; bytes without a meaning stay.
    #[inline]
    pub const fn clear(&mut self) {
        self.role = role::OTHER;
        self.phase = phase::NEW;
        self.protocol = protocol::UNKNOWN;
        self.flags = 0;
        self.parent = 0;
        self.started_ns = 0;
        self.header_ns = 0;
        self.socket = 0;
        self.buffer = 0;
        self.length = 0;
        self.status = 0;
        self.attempts = 0;
        self.statuses = [0; ATTEMPTS];
        self.outcomes = [outcome::NONE; ATTEMPTS];
        self.failed_call = 0;
        self.failed_errno = 0;
        self.made = 0;
        self.message_errno = 0;
        self.message = 0;
        // Without a family an address is none, and a request ends with its first zero.
        self.client[0] = 0;
        self.client[1] = 0;
        self.upstream[0] = 0;
        self.upstream[1] = 0;
        self.request[0] = 0;
    }
}

/// The process of a connection's key.
#[must_use]
pub const fn pid_of(key: u64) -> u32 {
    (key >> 32) as u32
}

/// A worker's counters, and what the programs remember between two of its system calls.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Worker {
    /// Signs that it goes on: times that it returned from waiting for events, or used a socket.
    pub turns: u64,
    /// Times that it had slept when it last used a socket.
    pub sleeps: u64,
    /// Connections accepted.
    pub accepts: u64,
    /// Connections accepted and closed unserved, for want of memory.
    pub dropped_memory: u64,
    /// The same, for another reason.
    pub dropped: u64,
    /// Nanoseconds that a listener was out of epoll because accepting failed.
    pub stalled_ns: u64,
    /// Since when it is, in nanoseconds since boot; zero when it is not.
    pub stalled_since_ns: u64,
    /// The error of the stall.
    pub stalled_errno: u32,
    /// The listener, its descriptor plus one.
    pub stalled_listener: u32,
    /// The client whose event is handled, its descriptor plus one; zero when none is known.
    pub focus: u32,
    /// Connections that are followed now.
    pub connections: u32,
    /// The second since boot to which `records` belongs.
    pub second: u32,
    /// Records sent in it.
    pub records: u32,
    /// Records not sent, for there were too many in a second.
    pub suppressed: u64,
    /// The worst message that was meant for the error log in this turn, for a client that was not
    /// known then: see [`message`].
    pub message: u64,
    /// The last call of this turn that failed for want of memory, or zero.
    pub memory_failed: u32,
    /// Connections that it had when it dropped one last.
    pub dropped_at: u32,
    /// The highest descriptor of a connection that it had.
    pub highest: u32,
    /// The number of that call.
    pub memory_call: u32,
    /// The error number of `message`.
    pub message_errno: u16,
    /// The code of the error answer that nginx began in this turn, for a client that was not known
    /// then.
    pub made: u16,
    /// As `focus`: the client whose upstream has just ended, or broken off, what it sent; zero once
    /// something else was done with a socket.
    pub ended: u32,
    /// An upstream without a client ended in this turn: 1 when the fields below tell of it.
    pub orphan: u16,
    /// Its status.
    pub orphan_status: u16,
    /// Its outcome.
    pub orphan_outcome: u16,
    /// Its protocol.
    pub orphan_protocol: u16,
    /// 1 when its birth was seen, so that it has no connection that is older.
    pub born: u32,
    /// The process, zero in a place that is free.
    pub pid: u32,
    /// When its status came.
    pub orphan_header_ns: u64,
    /// Its address.
    pub orphan_address: [u8; ADDRESS_LEN],
    /// Answers to clients by status.
    pub answers: [u32; STATUSES],
}

const _: () = assert!(size_of::<Worker>() == 144 + ADDRESS_LEN + 4 * STATUSES);

impl Worker {
    /// What happens from now on is for nobody yet: another event is handled.
    #[inline]
    pub const fn turn(&mut self) {
        self.focus = 0;
        self.memory_failed = 0;
        self.forget_orphans();
    }

    /// What happened before has nothing to do with what comes now.
    #[inline]
    pub const fn forget_orphans(&mut self) {
        self.orphan = 0;
        self.message = 0;
        self.made = 0;
    }
}

/// A worker of which nothing is known yet.
pub const BLANK_WORKER: Worker = Worker {
    turns: 0,
    sleeps: 0,
    accepts: 0,
    dropped_memory: 0,
    dropped: 0,
    stalled_ns: 0,
    stalled_since_ns: 0,
    stalled_errno: 0,
    stalled_listener: 0,
    focus: 0,
    connections: 0,
    second: 0,
    records: 0,
    suppressed: 0,
    message: 0,
    memory_failed: 0,
    dropped_at: 0,
    highest: 0,
    memory_call: 0,
    message_errno: 0,
    made: 0,
    ended: 0,
    orphan: 0,
    orphan_status: 0,
    orphan_outcome: 0,
    orphan_protocol: 0,
    born: 0,
    pid: 0,
    orphan_header_ns: 0,
    orphan_address: [0; ADDRESS_LEN],
    answers: [0; STATUSES],
};

/// What failing calls are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Failure {
    /// The worker.
    pub pid: u32,
    /// The system call's number.
    pub call: u16,
    /// The error's number.
    pub errno: u16,
}

/// What error-log messages are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Message {
    /// Level and format: see [`message`].
    pub message: u64,
    /// The worker.
    pub pid: u32,
    /// The error's number.
    pub errno: u16,
    /// 1 when it is about a client's connection.
    pub about: u16,
}

const _: () = assert!(size_of::<Message>() == 16);

//! The records that the programs put into the ring buffer.
//!
//! Every record begins with a [`Header`]. Fields are plain numbers and byte arrays and padding is
//! written out, which the compiler checks, so that both sides agree to the byte. The agent decodes
//! with [`Record::decode`], which takes nothing for granted.
//!
//! To add a kind, add it to the list below: its name, its metric label, its fields.

use core::mem::size_of;

#[macro_use]
mod macros;
mod decode;

use decode::Reader;

pub use decode::DecodeError;

use crate::connection::{ADDRESS_LEN, ATTEMPTS, CLIENT_LEN, REQUEST_LEN};

/// Length of a process's name in the kernel, with its final NUL (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;
/// Bytes of user stack that a crash record can hold.
pub const STACK_LEN: usize = 16 * 1024;
/// The stack is copied in pieces of this size, so that its end does not cost the rest.
pub const STACK_PIECE: usize = 1024;
/// Bytes of a path that a record can hold, with its final NUL.
pub const PATH_LEN: usize = 128;

/// Bytes of a format string that a record can hold, with its final NUL.
pub const FORMAT_LEN: usize = 96;
/// Bytes of its first argument.
pub const ARGUMENT_LEN: usize = 32;

const _: () = assert!(STACK_LEN.is_multiple_of(STACK_PIECE));

/// Begins every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// A [`Kind`], as its number.
    pub kind: u32,
    /// The process (thread group) that the record is about, in the initial pid namespace.
    pub pid: u32,
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub time_ns: u64,
}

const _: () = assert!(size_of::<Header>() == 16);

/// Room for `N` bytes, a multiple of 8, of which the first `length` count. Always the last part
/// of a record; decoded, it is those bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Counted<const N: usize> {
    /// How many bytes are meant.
    pub length: u32,
    /// Zero.
    pub padding: u32,
    /// The bytes; what follows the first `length` of them is undefined.
    pub bytes: [u8; N],
}

/// A [`Crash`] as it is decoded.
pub type CrashView<'a> = Crash<&'a [u8]>;

records! {
    /// A process was born to a tracked one. `header.pid` is the child.
    Fork = "fork" {
        /// The process that forked.
        parent: u32,
        /// Zero.
        padding: u32,
    }

    /// A process with a watched name, or a tracked one, replaced its program.
    Exec = "exec" {
        /// The new name, padded with NUL.
        comm: [u8; COMM_LEN],
        /// 1 when the name is watched, so the process stays tracked; 0 when tracking ended with it.
        watched: u32,
        /// Zero.
        padding: u32,
    }

    /// A tracked process ended: its last thread is gone.
    Exit = "exit" {
        /// As `wait` would give it: the signal in the low 7 bits, 0x80 for a core dump, else the
        /// exit code in bits 8 to 15.
        status: u32,
        /// Zero.
        padding: u32,
    }

    /// A signal was sent to a tracked process, `header.pid`.
    Signal = "signal" {
        /// Its number.
        signal: u32,
        /// `si_code`: zero or less when a process sent it, positive when the kernel did.
        code: i32,
        /// The process in whose context it was sent, in the initial pid namespace.
        sender_pid: u32,
        /// Its real user, in the initial user namespace.
        sender_uid: u32,
        /// Its name, padded with NUL.
        sender_comm: [u8; COMM_LEN],
    }

    /// A crash signal was delivered to a tracked process that does not handle it.
    Crash = "crash" {
        /// The signal's number.
        signal: u32,
        /// `si_code`.
        code: i32,
        /// `si_addr`: what the process touched; meaningful when `code` is positive.
        address: u64,
        /// Instruction pointer; zero when the kernel could not tell.
        ip: u64,
        /// Stack pointer; zero when the kernel could not tell.
        sp: u64,
        /// Frame pointer register.
        fp: u64,
        /// Link register; zero where there is none.
        lr: u64,
    } + {
        /// The user stack from `sp` up, as far as it could be read.
        stack: Counted<STACK_LEN>,
    }

    /// The OOM killer chose a tracked process as its victim.
    Oom = "oom" {
        /// Resident pages, as far as the kernel's quick counters tell; zero when unknown.
        rss_pages: u64,
    }

    /// A worker answered a client with a failure, or an upstream's failure became another answer.
    Request = "request" {
        /// What the client was sent; zero when it could not be read (TLS, HTTP/2).
        status: u16,
        /// Upstream attempts.
        attempts: u16,
        /// What the last upstream spoke, and flags: see `protocol` and `flag`.
        protocol: u16,
        /// See `flag`.
        flags: u16,
        /// Status of each attempt, zero when it brought none.
        statuses: [u16; ATTEMPTS],
        /// How an attempt ended that brought none: an error number, or see `outcome`.
        outcomes: [u16; ATTEMPTS],
        /// When the request's first byte was read, in nanoseconds since boot; zero when not seen.
        started_ns: u64,
        /// When the last upstream's status was; zero when there was none.
        header_ns: u64,
        /// The client's descriptor.
        descriptor: u32,
        /// The number of the last system call that failed on the way; zero when none did.
        failed_call: u16,
        /// Its error number.
        failed_errno: u16,
        /// The worst error-log message on the way: see `connection::message`.
        message: u64,
        /// Its error number.
        message_errno: u16,
        /// The code of the error answer that nginx itself began last; zero when none was seen.
        made: u16,
        /// Zero.
        padding: u32,
        /// The client's socket address.
        client: [u8; CLIENT_LEN],
        /// The last upstream's socket address.
        upstream: [u8; ADDRESS_LEN],
        /// The first bytes of the request.
        request: [u8; REQUEST_LEN],
    }

    /// A system call of a worker failed in a way that makes requests fail.
    Errno = "errno" {
        /// The system call's number.
        call: u32,
        /// The error's number.
        errno: u32,
        /// The descriptor that it was about, or -1.
        descriptor: i32,
        /// What `about` is: 0 nothing, 1 a path, 2 a socket address.
        about_kind: u32,
        /// Like records that were not sent since the last one.
        suppressed: u64,
        /// The path, cut and ended by NUL, or the socket address.
        about: [u8; PATH_LEN],
    }

    /// A worker accepted a connection and closed it unserved.
    AcceptDrop = "accept_drop" {
        /// Connections that it had, clients and upstreams.
        connections: u32,
        /// The error number of memory that it was refused in the same turn, or zero.
        memory_errno: u32,
        /// The client's socket address.
        client: [u8; CLIENT_LEN],
    }

    /// A process behind nginx ended.
    BackendExit = "backend_exit" {
        /// As in [`Exit`].
        status: u32,
        /// Its flags and group: see `tracking`.
        member: u32,
    }

    /// A worker has a kind of message for its error log that was not told of yet. Later ones like
    /// it are only counted.
    LogMessage = "log_message" {
        /// Level and format: see `connection::message`.
        message: u64,
        /// The error's number.
        errno: u16,
        /// 1 when it is about a client's connection.
        about: u16,
        /// Zero.
        padding: u32,
        /// The format string, cut and ended by NUL; empty when it could not be read.
        format: [u8; FORMAT_LEN],
        /// What its first directive stands for, when that is a string; else anything.
        argument: [u8; ARGUMENT_LEN],
    }
}

#[cfg(test)]
mod tests;

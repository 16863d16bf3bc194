//! A system call that returns, however it came to be seen.

use nginx_probe_ebpf::{
    call::{CALLS, Call},
    connection::{Connection, Worker},
    layout::index,
};

use crate::{
    requests,
    user::{self, Piece, Registers},
};

/// What each system call of this machine is, by its number; filled in by the agent.
#[unsafe(no_mangle)]
static CALL_TABLE: [u8; CALLS] = [0; CALLS];

/// The number of `connect`.
#[unsafe(no_mangle)]
static CONNECT_CALL: u32 = 0;

const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const EINPROGRESS: i32 = 115;
/// The kernel's own, which start a call again: `ERESTARTSYS` and up.
const RESTART: i32 = 512;

/// A system call that returned, or is about to.
#[derive(Clone, Copy)]
pub struct Seen {
    /// Its arguments.
    pub registers: Registers,
    /// Its number.
    pub number: u32,
    /// A [`Call`], as its number.
    pub call: u8,
    /// What it gave.
    pub result: i64,
    /// The error's number, or zero.
    pub errno: i32,
    /// The process.
    pub pid: u32,
    /// A connection that is not known may have been taken unseen a moment ago; else it is older than
    /// the agent.
    pub may_be_new: bool,
}

/// The [`Call`] that a number stands for; nothing for one that nginx does not make.
#[inline]
pub fn kind(number: u32) -> Option<u8> {
    if number as usize >= CALLS {
        return None;
    }
    // SAFETY: the index is below the table's length; the read is volatile because the table in
    // this object is not the one at run time.
    Some(unsafe { core::ptr::read_volatile(CALL_TABLE.as_ptr().add(number as usize)) })
}

/// The number of `connect`, whose failures another call tells of.
#[inline]
pub fn number_of_connect() -> u16 {
    // SAFETY: a static of one word; read volatile because the agent sets it.
    unsafe { core::ptr::read_volatile(&raw const CONNECT_CALL) as u16 }
}

/// The error's number that a call gave, or zero.
#[inline]
pub const fn errno(result: i64) -> i32 {
    if result < 0 && result >= -4095 {
        -result as i32
    } else {
        0
    }
}

/// Not a failure but how things go.
#[inline]
pub const fn is_ordinary(errno: i32) -> bool {
    errno == EAGAIN || errno == EINTR || errno == EINPROGRESS || errno >= RESTART
}

impl Seen {
    /// A read or a write, by its kind, on what is known of the descriptor. `on_socket` when that is
    /// certainly a socket.
    #[inline]
    pub fn talk(
        &self,
        worker: &mut Worker,
        descriptor: u32,
        known: Option<&'static mut Connection>,
        on_socket: bool,
    ) {
        let mut buffer = self.registers.argument(index::REGS_ARG1);
        if self.call == Call::ReadVector as u8 || self.call == Call::WriteVector as u8 {
            let Ok(piece) = user::read::<Piece>(buffer) else {
                return;
            };
            buffer = piece.base;
        }
        if self.call <= Call::ReadVector as u8 {
            requests::received(worker, self, descriptor, buffer, known, on_socket);
        } else {
            requests::sent(worker, self, descriptor, buffer, known, on_socket);
        }
    }
}

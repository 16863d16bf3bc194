//! Signals: their names, and who sent them.

use nginx_probe_ebpf::record;
use nix::sys::signal::Signal;

use crate::facts::Sender;

/// `SIGKILL`.
pub const KILL: u32 = Signal::SIGKILL as u32;
/// `SIGHUP`: a master reads its configuration again.
pub const HUP: u32 = Signal::SIGHUP as u32;
/// `SIGSEGV`.
pub const SEGV: u32 = Signal::SIGSEGV as u32;
/// `SIGBUS`.
pub const BUS: u32 = Signal::SIGBUS as u32;
/// `SIGTERM`: nginx ends at once.
pub const TERM: u32 = Signal::SIGTERM as u32;
/// `SIGINT`: the same.
pub const INT: u32 = Signal::SIGINT as u32;
/// `SIGUSR2`: a master starts a new binary.
pub const USR2: u32 = Signal::SIGUSR2 as u32;
/// `SIGQUIT`: nginx ends once its connections have.
pub const QUIT: u32 = Signal::SIGQUIT as u32;
/// `SIGWINCH`: a master lets its workers end so.
pub const WINCH: u32 = Signal::SIGWINCH as u32;

/// The signal's symbolic name, `other` for one that has none.
#[must_use]
pub fn name(signal: u32) -> &'static str {
    i32::try_from(signal)
        .ok()
        .and_then(|signal| Signal::try_from(signal).ok())
        .map_or("other", Signal::as_str)
}

/// Every name of a signal.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    Signal::iterator().map(Signal::as_str)
}

/// A signal that was sent to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub signal: u32,
    /// Who sent it; `None` when the kernel did.
    pub sender: Option<Sender>,
}

impl From<&record::Signal> for Sent {
    fn from(record: &record::Signal) -> Self {
        // A positive `si_code` is the kernel's own doing (`SI_FROMKERNEL`); who happened to run is
        // then no sender.
        let sender = (record.code <= 0).then(|| Sender {
            pid: record.sender_pid,
            uid: record.sender_uid,
            comm: comm(&record.sender_comm),
        });
        Self {
            signal: record.signal,
            sender,
        }
    }
}

/// A process's name as text; any process may put any bytes there.
#[must_use]
pub fn comm(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    bytes
        .get(..end)
        .unwrap_or_default()
        .escape_ascii()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_symbolic() {
        assert_eq!(name(11), "SIGSEGV");
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(0), "other");
        assert_eq!(name(63), "other");
        assert_eq!(name(u32::MAX), "other");
    }

    #[test]
    fn hostile_names_are_escaped() {
        assert_eq!(comm(b"kill\0\0garbage"), "kill");
        assert_eq!(comm(b"a\n\x1b[31m\xff"), "a\\n\\x1b[31m\\xff");
        assert_eq!(comm(b""), "");
    }
}

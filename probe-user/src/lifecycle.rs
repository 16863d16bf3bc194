//! Why a process ended.

use crate::{
    facts::{Reason, Sender},
    signals::{self, Sent},
};
use nginx_probe_ebpf::signal::is_crash;

/// A wait status, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The signal that ended the process, or zero.
    pub signal: u32,
    /// Whether a core file was written.
    pub core_dumped: bool,
    /// The exit code, when no signal ended it.
    pub exit_code: Option<u8>,
}

impl From<u32> for Status {
    /// The encoding of `wait(2)`.
    fn from(status: u32) -> Self {
        let signal = status & 0x7f;
        Self {
            signal,
            core_dumped: status & 0x80 != 0,
            exit_code: (signal == 0).then(|| status.to_le_bytes()[1]),
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exit_code {
            Some(code) => write!(f, "exit code {code}"),
            None => f.write_str(signals::name(self.signal)),
        }
    }
}

impl Status {
    /// The signal's symbolic name.
    #[must_use]
    pub fn signal_name(self) -> Option<&'static str> {
        (self.signal != 0).then(|| signals::name(self.signal))
    }
}

/// Why process `pid` ended with `status`, having been sent `signals` (oldest first), and `oom`
/// when the OOM killer had marked it; with who did it, when a process did.
///
/// A mark alone proves nothing when somebody else sent the signal: the kernel also marks processes
/// that are dying anyway, to let them have memory (`task_will_free_mem`).
#[must_use]
pub fn classify(pid: u32, status: Status, signals: &[Sent], oom: bool) -> (Reason, Option<Sender>) {
    if let Some(code) = status.exit_code {
        return (
            if code == 0 {
                Reason::Graceful
            } else {
                Reason::ErrorExit
            },
            None,
        );
    }
    let mut sent = signals
        .iter()
        .rev()
        .filter(|sent| sent.signal == status.signal)
        .map(|sent| sent.sender.as_ref());
    let last = sent.next().flatten();
    // A handler that has cleaned up sends itself the signal that it handled.
    let is_own = |sender: &&Sender| sender.pid == pid;
    let told = last
        .filter(is_own)
        .and_then(|_| sent.flatten().find(|by| !is_own(by)));
    let sender = told.or(last).cloned();
    if status.signal == signals::KILL {
        return if oom && sender.is_none() {
            (Reason::OomKill, None)
        } else {
            (Reason::Killed, sender)
        };
    }
    // `abort()` and `raise()` send to oneself.
    let by_another = sender.filter(|sender| sender.pid != pid);
    if is_crash(status.signal) && by_another.is_none() {
        (Reason::Crash, None)
    } else {
        (Reason::Killed, by_another)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, signals, OOM mark; reason and sender.
    type Row<'a> = (u32, &'a [Sent], bool, Reason, Option<u32>);

    const PID: u32 = 100;

    fn sent(signal: u32, by: Option<u32>) -> Sent {
        let sender = by.map(|pid| Sender {
            pid,
            uid: 0,
            comm: "x".into(),
        });
        Sent { signal, sender }
    }

    #[test]
    fn statuses_are_those_of_wait() {
        let parts = |status| {
            let Status {
                signal,
                core_dumped,
                exit_code,
            } = Status::from(status);
            (signal, core_dumped, exit_code)
        };
        assert_eq!(parts(0), (0, false, Some(0)));
        assert_eq!(parts(2 << 8), (0, false, Some(2)));
        assert_eq!(parts(255 << 8), (0, false, Some(255)));
        assert_eq!(parts(11), (11, false, None));
        assert_eq!(parts(0x80 | 0x0b), (11, true, None));
        assert_eq!(parts(9), (9, false, None));
    }

    #[test]
    fn exits_by_table() {
        let (me, other) = (Some(PID), Some(7));
        let table: &[Row] = &[
            (0, &[], false, Reason::Graceful, None),
            (0, &[sent(15, other)], false, Reason::Graceful, None),
            (0, &[], true, Reason::Graceful, None),
            (1 << 8, &[], false, Reason::ErrorExit, None),
            (2 << 8, &[sent(9, other)], false, Reason::ErrorExit, None),
            // The process went wrong by itself.
            (11, &[sent(11, None)], false, Reason::Crash, None),
            (0x80 | 0x0b, &[sent(11, None)], false, Reason::Crash, None),
            (6, &[sent(6, me)], false, Reason::Crash, None),
            (7, &[], false, Reason::Crash, None),
            (31, &[sent(31, None)], false, Reason::Crash, None),
            // The same signals, sent by somebody.
            (11, &[sent(11, other)], false, Reason::Killed, other),
            (6, &[sent(6, other)], false, Reason::Killed, other),
            // A fault after an old, harmless one: the last of that signal counts.
            (
                11,
                &[sent(11, other), sent(11, None)],
                false,
                Reason::Crash,
                None,
            ),
            // Handled, and then raised again.
            (
                15,
                &[sent(15, other), sent(15, me)],
                false,
                Reason::Killed,
                other,
            ),
            (
                6,
                &[sent(6, other), sent(6, me)],
                false,
                Reason::Killed,
                other,
            ),
            (15, &[sent(15, me)], false, Reason::Killed, None),
            // SIGKILL.
            (9, &[sent(9, other)], false, Reason::Killed, other),
            (9, &[sent(9, None)], true, Reason::OomKill, None),
            (9, &[sent(9, None)], false, Reason::Killed, None),
            (9, &[], true, Reason::OomKill, None),
            (9, &[], false, Reason::Killed, None),
            (9, &[sent(9, other)], true, Reason::Killed, other),
            (9, &[sent(9, me)], false, Reason::Killed, me),
            // Others.
            (24, &[sent(24, None)], false, Reason::Killed, None),
            (10, &[sent(10, other)], false, Reason::Killed, other),
            (15, &[sent(1, other)], false, Reason::Killed, None),
        ];
        for (status, signals, oom, reason, sender) in table {
            let (got, by) = classify(PID, Status::from(*status), signals, *oom);
            let by = by.map(|sender| sender.pid);
            assert_eq!(
                (got, by),
                (*reason, *sender),
                "{status} {signals:?} oom {oom}"
            );
        }
    }
}

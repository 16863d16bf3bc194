//! Sources that stand on the kernel's lists of sockets, and on `/proc`.

use caps::Capability;

use super::{Source, Stem, Verdict, missing_capabilities, of_probes, without};
use crate::{
    kernel::{Kernel, LoadError},
    listen_queue::listening,
};

/// Whether the programs behind nginx can be found, and their ends seen.
#[must_use]
pub fn of_backends(source: &Source, loaded: Result<&Kernel, &LoadError>) -> Verdict {
    let probes = of_probes(Stem::Backends, loaded);
    if !probes.ok {
        return probes;
    }
    let sockets = of_listen_queue(source);
    Verdict {
        detail: if sockets.ok {
            format!("{}; /proc/PID/fd; {}", probes.detail, sockets.detail)
        } else {
            sockets.detail
        },
        ..sockets
    }
}

/// Whether listen queues can be looked at.
#[must_use]
pub fn of_listen_queue(source: &Source) -> Verdict {
    if !missing_capabilities(source.needs).is_empty() {
        return without(source.needs);
    }
    match listening() {
        Err(error) => Verdict::bad(
            format!("the kernel does not list listening sockets: {error}"),
            "load or build the kernel's inet_diag and tcp_diag",
        ),
        Ok(_) if missing_capabilities(&[Capability::CAP_SYS_ADMIN]).is_empty() => {
            Verdict::ok("inet_diag, in every network namespace")
        }
        Ok(_) => Verdict::idle(
            "inet_diag, in the agent's own network namespace only",
            "for nginx in containers give the agent CAP_SYS_ADMIN",
        ),
    }
}

/// Whether hung workers can be told.
#[must_use]
pub fn of_hang(source: &Source, kernel: Option<&Kernel>) -> Verdict {
    if !missing_capabilities(source.needs).is_empty() {
        return without(source.needs);
    }
    if kernel.is_some() {
        Verdict::ok("turns of the event loop, and /proc")
    } else {
        Verdict::idle(
            "/proc alone: a worker that makes system calls in a loop is not told from a busy one",
            "see the kernel's sources above",
        )
    }
}

//! What the agent may still do once its probes are attached.

use anyhow::Context as _;
use caps::{CapSet, Capability};

use crate::privileges::{self, Calls, Needs};

/// Reading other processes' files and mappings, and logs.
const READING: [Capability; 3] = [
    Capability::CAP_CHECKPOINT_RESTORE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_SYS_PTRACE,
];

/// Reading the kernel log, and using the maps (which kernels before 5.19 allow with `CAP_BPF` only).
const LOADED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_SYSLOG];

/// Of a thread that enters the network namespaces of containers, and sees what their nginx has open.
pub(super) const IN_NAMESPACES: Needs<'static> = Needs {
    capabilities: &[
        Capability::CAP_DAC_READ_SEARCH,
        Capability::CAP_SYS_ADMIN,
        Capability::CAP_SYS_PTRACE,
    ],
    calls: &[Calls::Files, Calls::Sockets, Calls::Namespaces],
};

/// Gives up, in the main thread and what it will start, all that is not needed any more; other threads
/// did when they were started. `loaded` when programs are in the kernel; `attaching` is what it takes to
/// attach more of them to the functions of an nginx that comes later, if they are to be.
///
/// # Errors
/// When the agent cannot go on as the user that was chosen.
pub(super) fn give_up(loaded: bool, attaching: Option<&[Capability]>) -> anyhow::Result<()> {
    let mut capabilities = READING.to_vec();
    let mut calls = vec![Calls::Files, Calls::Changes, Calls::Sockets, Calls::Events];
    if loaded {
        capabilities.extend(LOADED);
        calls.extend([Calls::Maps, Calls::KernelLog]);
    }
    if let Some(attaching) = attaching.filter(|_| loaded) {
        capabilities.extend(attaching);
        calls.push(Calls::Attach);
    }
    let needs = Needs {
        capabilities: &capabilities,
        calls: &calls,
    };
    let problems = privileges::settle(needs).with_context(|| {
        let user = privileges::chosen_user().unwrap_or_default();
        format!("cannot go on as the user {user}; start without --user")
    })?;
    for problem in problems {
        let level = if problem.harmless {
            log::Level::Info
        } else {
            log::Level::Warn
        };
        log::log!(
            level,
            "cannot give up what is not needed any more: {}",
            problem.text
        );
    }
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false) {
        log::info!(
            "CAP_SYS_ADMIN is kept to attach to the functions of an nginx that comes later; \
             --no-uprobes does without"
        );
    }
    Ok(())
}

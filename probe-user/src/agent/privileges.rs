//! What the agent may still do once its probes are attached.

use caps::{CapSet, Capability, CapsHashSet};

/// Reading other processes' files and mappings, reading logs, reading the kernel log, and using
/// the maps (which kernels before 5.19 allow with `CAP_BPF` only).
const KEPT: [Capability; 5] = [
    Capability::CAP_BPF,
    Capability::CAP_CHECKPOINT_RESTORE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_SYSLOG,
    Capability::CAP_SYS_PTRACE,
];

/// Gives up every capability that is not needed any more, but what `later` needs: attaching programs
/// to the functions of an nginx that comes later.
pub(super) fn drop_unneeded(later: &[Capability]) {
    keep_only(&[&KEPT, later].concat());
}

/// Gives up every other capability, in this thread.
pub(super) fn keep_only(kept: &[Capability]) {
    let kept: CapsHashSet = kept.iter().copied().collect();
    // The bounding set goes first: changing it needs CAP_SETPCAP, which goes with the rest.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        for capability in caps::runtime::thread_all_supported().difference(&kept) {
            if let Err(error) = caps::drop(None, CapSet::Bounding, *capability) {
                log::debug!("cannot give up {capability} for good: {error}");
            }
        }
    }
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        let result = caps::read(None, set).and_then(|have| {
            let keep = have.intersection(&kept).copied().collect();
            caps::set(None, set, &keep)
        });
        if let Err(error) = result {
            log::warn!("cannot give up privileges that are not needed any more: {error}");
        }
    }
}

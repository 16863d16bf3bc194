//! Brings the sources up, and says which are not.

use anyhow::bail;
use aya::maps::{MapData, RingBuf};

use super::KERNEL_STEMS;
use crate::{
    fleet::Track,
    kernel::Kernel,
    oom::{KMSG_PATH, KernelLog},
    options::WatchOptions,
    sinks::metrics::Metrics,
    source::{self, Stem, Verdict},
};

/// The kernel side, or nothing with `--no-kernel` or on a kernel that has not what it needs.
pub(super) struct Probes(Option<Kernel>);

impl Probes {
    pub(super) const fn loaded(&self) -> Option<&Kernel> {
        self.0.as_ref()
    }
}

impl Probes {
    /// Passes the programs' own messages on.
    #[cfg(feature = "debug-log")]
    pub(super) fn show_messages(&mut self) {
        if let Some(kernel) = &mut self.0 {
            kernel.show_messages();
        }
    }
}

impl Track for Probes {
    fn track(&mut self, pid: u32) {
        if let Some(kernel) = &mut self.0
            && let Err(error) = kernel.track(pid)
        {
            log::warn!("cannot follow process {pid}: {error}");
        }
    }

    fn untrack(&mut self, pid: u32) {
        if let Some(kernel) = &mut self.0 {
            kernel.untrack(pid);
        }
    }
}

/// What came up.
pub(super) struct Started {
    pub probes: Probes,
    pub events: Option<RingBuf<MapData>>,
    pub kernel_log: Option<KernelLog>,
}

/// Fails before anything else when the probes cannot be loaded by this user.
///
/// # Errors
/// When a capability is missing.
pub(super) fn check_privileges() -> anyhow::Result<()> {
    let missing = source::missing_capabilities(source::PROBES);
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
    bail!(
        "attaching to the kernel needs {}, which this user does not have: run as root, or with \
         --no-kernel to read the logs alone",
        missing.join(" and ")
    )
}

/// Loads the probes and opens the kernel log.
///
/// # Errors
/// When the probes lack a privilege: that is for the operator to decide, not for us.
pub(super) fn probes(
    watch: &WatchOptions,
    names: &[String],
    metrics: &Metrics,
) -> anyhow::Result<Started> {
    for stem in [Stem::Config, Stem::AccessLog] {
        metrics.set_source(stem, !(watch.no_logs() && stem == Stem::AccessLog));
    }
    if watch.no_kernel() {
        return Ok(Started {
            probes: Probes(None),
            events: None,
            kernel_log: None,
        });
    }
    let loaded = Kernel::load(names);
    if let Err(error) = &loaded
        && error.is_permission()
    {
        bail!(
            "the kernel refuses the probes to this user: {error}; {}",
            error.fix()
        );
    }
    for stem in KERNEL_STEMS {
        let verdict = source::of_probes(stem, loaded.as_ref().map(|(kernel, _)| kernel));
        report(stem, &verdict, metrics);
    }
    let opened = KernelLog::open(KMSG_PATH.as_ref());
    report(Stem::KernelLog, &source::of_kernel_log(&opened), metrics);
    let (kernel, events) = loaded.ok().unzip();
    Ok(Started {
        probes: Probes(kernel),
        events,
        kernel_log: opened.ok(),
    })
}

fn report(stem: Stem, verdict: &Verdict, metrics: &Metrics) {
    metrics.set_source(stem, verdict.ok);
    if let Some(fix) = &verdict.fix {
        log::warn!("without {}: {}; {fix}", stem.as_str(), verdict.detail);
    }
}

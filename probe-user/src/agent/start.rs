//! Brings the sources up, and says which are not.

use anyhow::bail;
use aya::maps::{MapData, RingBuf};

use nginx_probe_ebpf::connection::{Connection, Worker};

use super::sample;
use crate::{
    fleet::{Fleet, Selection, Track},
    kernel::{Kernel, Sizes},
    oom::{KMSG_PATH, KernelLog},
    options::WatchOptions,
    proc::Proc,
    sinks::metrics::Metrics,
    source::{self, Stem, Verdict},
};

/// The kernel side, or nothing with `--no-kernel` or on a kernel that has not what it needs.
pub(super) struct Probes {
    kernel: Option<Kernel>,
    /// The last counters of workers that are not followed any more.
    ended: Vec<(u32, Worker)>,
}

impl Probes {
    pub(super) const fn loaded(&self) -> Option<&Kernel> {
        self.kernel.as_ref()
    }

    pub(super) const fn loaded_mut(&mut self) -> Option<&mut Kernel> {
        self.kernel.as_mut()
    }

    /// The last counters of workers that ended since the last call.
    pub(super) fn take_ended(&mut self) -> Vec<(u32, Worker)> {
        std::mem::take(&mut self.ended)
    }

    const fn new(kernel: Option<Kernel>) -> Self {
        Self {
            kernel,
            ended: Vec::new(),
        }
    }
}

impl Probes {
    /// Passes the programs' own messages on.
    #[cfg(feature = "debug-log")]
    pub(super) fn show_messages(&mut self) {
        if let Some(kernel) = &mut self.kernel {
            kernel.show_messages();
        }
    }
}

impl Track for Probes {
    fn track(&mut self, pid: u32) {
        if let Some(kernel) = &mut self.kernel
            && let Err(error) = kernel.track(pid)
        {
            log::warn!("cannot follow process {pid}: {error}");
        }
    }

    fn untrack(&mut self, pid: u32) {
        if let Some(kernel) = &mut self.kernel {
            kernel.untrack(pid);
            kernel.workers_mut().take(pid);
        }
    }

    fn tells(&self) -> bool {
        self.kernel.is_some()
    }

    fn follow(&mut self, pid: u32) {
        let Some(kernel) = &mut self.kernel else {
            return;
        };
        match kernel.workers_mut().follow(pid) {
            Ok(true) => {}
            Ok(false) => {
                log::warn!(
                    "cannot follow the requests of worker {pid}: there are too many workers"
                );
            }
            Err(error) => log::warn!("cannot follow the requests of worker {pid}: {error}"),
        }
    }

    fn take(&mut self, pid: u32) -> Option<Vec<Connection>> {
        let (worker, connections) = self.kernel.as_mut()?.workers_mut().take(pid)?;
        self.ended.push((pid, worker));
        Some(connections)
    }
}

/// What the kernel half must have room for: every nginx that runs now, and some more.
fn sizes(names: &[String]) -> Sizes {
    let (proc, all) = (Proc::at("/proc"), Selection::default());
    let mut fleet = Fleet::new(proc, names.to_vec(), all, Nobody, None);
    if let Err(error) = fleet.scan() {
        log::debug!("cannot read /proc: {error}");
    }
    Sizes::of(fleet.masters().filter_map(|(_, _, config)| {
        let config = config?;
        Some((
            sample::workers_of(config)?,
            config.settings.worker_connections,
        ))
    }))
}

/// Follows nothing.
struct Nobody;

impl Track for Nobody {
    fn track(&mut self, _pid: u32) {}
    fn untrack(&mut self, _pid: u32) {}
}

/// What came up.
pub(super) struct Started {
    pub probes: Probes,
    pub events: Option<RingBuf<MapData>>,
    pub kernel_log: Option<KernelLog>,
}

/// Fails before anything else when there is nothing to look at, or the probes cannot be loaded by
/// this user.
///
/// # Errors
/// When a capability is missing, the options leave nothing, or a master is none.
pub(super) fn check(watch: &WatchOptions) -> anyhow::Result<()> {
    let names = watch.names();
    for pid in &watch.master {
        match Proc::at("/proc").status(*pid) {
            None => bail!("--master {pid}: no such process"),
            Some(status) if !names.contains(&status.comm) => bail!(
                "--master {pid}: that process is {:?}, not nginx; give its name with --name if it is",
                status.comm
            ),
            Some(_) => {}
        }
    }
    if watch.no_kernel() && watch.no_logs() {
        bail!(
            "--no-kernel and --no-logs together leave next to nothing to tell: take one of them away"
        );
    }
    if watch.no_kernel() {
        return Ok(());
    }
    let missing = source::missing_capabilities(source::PROBES);
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
    bail!(
        "attaching to the kernel needs {}, which this user does not have: run as root, or with the \
         capabilities of the service; `nginx-probe logs` reads log files as any user",
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
    metrics.set_source(Stem::Config, true);
    // Until one is found.
    for stem in [Stem::AccessLog, Stem::ErrorLog] {
        metrics.set_source(stem, false);
    }
    if watch.no_kernel() {
        return Ok(Started {
            probes: Probes::new(None),
            events: None,
            kernel_log: None,
        });
    }
    let loaded = Kernel::load(names, sizes(names), watch.ways(), !watch.no_uprobes());
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
    if let Ok((kernel, _)) = &loaded
        && let Some(way) = kernel.entry_way()
    {
        let verdict = source::of_error_path(Some(way), std::iter::empty());
        report(Stem::ErrorPath, &verdict, metrics);
    }
    let opened = KernelLog::open(KMSG_PATH.as_ref());
    report(Stem::KernelLog, &source::of_kernel_log(&opened), metrics);
    let (kernel, events) = loaded.ok().unzip();
    Ok(Started {
        probes: Probes::new(kernel),
        events,
        kernel_log: opened.ok(),
    })
}

/// The sources that the kernel side feeds.
pub(super) const KERNEL_STEMS: [Stem; 6] = [
    Stem::Lifecycle,
    Stem::Signals,
    Stem::Oom,
    Stem::Accept,
    Stem::Errnos,
    Stem::Requests,
];

fn report(stem: Stem, verdict: &Verdict, metrics: &Metrics) {
    metrics.set_source(stem, verdict.ok);
    if let Some(fix) = &verdict.fix {
        log::warn!("without {}: {}; {fix}", stem.as_str(), verdict.detail);
    }
}

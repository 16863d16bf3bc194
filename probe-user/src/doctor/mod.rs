//! `doctor`: what works on this host, what does not, why, and the fix.
//!
//! Each thing is tried in the way in which `run` does it, with the same options and the same
//! privileges: what a capability ought to allow may be refused by a sandbox all the same.

mod found;

use std::{fmt::Write as _, io::Write as _};

use serde::Serialize;

use crate::{
    error_path::{Binaries, Missing},
    fleet::{Fleet, Selection, Track},
    kernel::{Kernel, LoadError, Sizes},
    oom::{KMSG_PATH, KernelLog},
    options::DoctorOptions,
    proc::Proc,
    sinks::console::Output,
    source::{self, Stem, Verdict},
};

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
struct Check {
    name: String,
    /// What it gives, for a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    gives: Option<&'static str>,
    #[serde(flatten)]
    verdict: Verdict,
}

impl Check {
    fn of(name: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            name: name.into(),
            gives: None,
            verdict,
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    ok: bool,
    host: Vec<Check>,
    sources: Vec<Check>,
    nginx: Vec<Check>,
}

/// Looks at everything once and writes the report; `true` when all is well.
///
/// # Errors
/// When `/proc` cannot be read at all, or the report cannot be written.
pub fn run(options: &DoctorOptions) -> anyhow::Result<bool> {
    let host = source::of_host()
        .into_iter()
        .map(|(name, verdict)| Check {
            name: name.to_owned(),
            gives: None,
            verdict,
        })
        .collect();
    let names = options.watch.names();
    let mut fleet = selected(options, &names);
    fleet.scan()?;
    let found = found::Found::of(options, &mut fleet, &names);
    // The programs of functions are loaded late, and need the ring buffer then.
    let functions = !options.watch.no_uprobes();
    let ways = options.watch.ways();
    let (mut loaded, _events) = match Kernel::load(&names, Sizes::LEAST, ways, functions) {
        Ok((kernel, events)) => (Ok(kernel), Some(events)),
        Err(error) => (Err(error), None),
    };
    let error_path = of_error_path(options, &fleet, loaded.as_mut());
    let kernel_log = KernelLog::open(KMSG_PATH.as_ref());
    let sources = source::ALL
        .iter()
        .map(|source| {
            let verdict = match source.stem {
                Stem::Lifecycle
                | Stem::Signals
                | Stem::Oom
                | Stem::Accept
                | Stem::Errnos
                | Stem::Requests => source::of_probes(source.stem, loaded.as_ref()),
                Stem::ErrorPath => error_path.clone(),
                Stem::Backends => source::of_backends(source, loaded.as_ref()),
                Stem::KernelLog => source::of_kernel_log(&kernel_log),
                Stem::ListenQueue => source::of_listen_queue(source),
                Stem::Hang => source::of_hang(source, loaded.as_ref().ok()),
                Stem::Config => found.config(),
                Stem::AccessLog => found.logs(true, options),
                Stem::ErrorLog => found.logs(false, options),
                Stem::Processes => found.processes(fleet.proc(), source),
                Stem::StubStatus => found::Found::stub_status(&fleet, source),
            };
            Check {
                name: source.stem.as_str().to_owned(),
                gives: Some(source.gives),
                verdict,
            }
        })
        .collect();
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        ok: false,
        host,
        sources,
        nginx: found.checks,
    };
    let ok = report.checks().all(|check| check.verdict.ok);
    report.ok = ok;
    let text = match options.output {
        Output::Json => serde_json::to_string(&report)? + "\n",
        Output::Text => report.text(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(report.ok)
}

/// Whether nginx's own functions can be watched: attaches to each binary, and detaches again.
fn of_error_path(
    options: &DoctorOptions,
    fleet: &Fleet<NoTracking>,
    kernel: Result<&mut Kernel, &mut LoadError>,
) -> Verdict {
    if options.watch.no_uprobes() {
        return Verdict::idle(
            "turned off",
            "run without --no-uprobes (NGINX_PROBE_NO_UPROBES, no-uprobes) to have it",
        );
    }
    let kernel = match kernel {
        Ok(kernel) => kernel,
        Err(error) => return source::of_probes(Stem::ErrorPath, Err(error)),
    };
    let masters = fleet.masters();
    let masters = masters.map(|(pid, _, config)| (pid, Missing::of(config)));
    let mut binaries = Binaries::default();
    let found = binaries.follow(kernel, fleet.proc().root(), masters.collect());
    source::of_error_path(kernel.entry_way(), found.values())
}

/// The masters that the options choose.
fn selected(options: &DoctorOptions, names: &[String]) -> Fleet<NoTracking> {
    let selection = Selection {
        pid_files: options.watch.pid_file.clone(),
        masters: options.watch.master.clone(),
    };
    Fleet::new(
        Proc::at("/proc"),
        names.to_vec(),
        selection,
        NoTracking,
        None,
    )
}

/// Follows no process: the doctor looks once.
struct NoTracking;

impl Track for NoTracking {
    fn track(&mut self, _pid: u32) {}
    fn untrack(&mut self, _pid: u32) {}
}

impl Report {
    fn checks(&self) -> impl Iterator<Item = &Check> {
        self.host.iter().chain(&self.sources).chain(&self.nginx)
    }

    fn text(&self) -> String {
        let mut out = format!("nginx-probe {}\n", self.version);
        let width = self
            .checks()
            .map(|check| check.name.len())
            .max()
            .unwrap_or(0)
            .min(40);
        for (heading, checks) in [
            ("Host", &self.host),
            ("Sources", &self.sources),
            ("nginx", &self.nginx),
        ] {
            let _ = writeln!(out, "\n{heading}");
            for check in checks {
                let mark = match (check.verdict.ok, &check.verdict.fix) {
                    (true, None) => "ok ",
                    (true, Some(_)) => "-- ",
                    (false, _) => "NO ",
                };
                let _ = writeln!(
                    out,
                    "  {mark} {:width$}  {}",
                    check.name, check.verdict.detail
                );
                if let Some(gives) = check.gives.filter(|_| !check.verdict.ok) {
                    let _ = writeln!(out, "      {:width$}  lost: {gives}", "");
                }
                if let Some(fix) = &check.verdict.fix {
                    let _ = writeln!(out, "      {:width$}  → {fix}", "");
                }
            }
        }
        let idle = |check: &Check| check.verdict.ok && check.verdict.fix.is_some();
        let verdict = match self.ok {
            true if self.checks().any(idle) => "everything works; see -- for what gives nothing",
            true => "everything works",
            false => "not everything works: see NO",
        };
        let _ = writeln!(out, "\n{verdict}");
        out
    }
}

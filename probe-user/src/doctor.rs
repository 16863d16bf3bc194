//! `doctor`: what works on this host, what does not, why, and the fix.

use std::{fmt::Write as _, io::Write as _, path::Path};

use serde::Serialize;

use crate::{
    agent::logs::compile,
    config::{self, LogTarget},
    error_path::{Binaries, Missing},
    fleet::{Fleet, Selection, Track},
    kernel::{Kernel, LoadError, Sizes},
    oom::{KMSG_PATH, KernelLog},
    options::DoctorOptions,
    proc::Proc,
    rooted::OpenError,
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
    let nginx = nginx(options, &names)?;
    // The programs of functions are loaded late, and need the ring buffer then.
    let (mut loaded, _events) = match Kernel::load(&names, Sizes::LEAST, options.watch.ways()) {
        Ok((kernel, events)) => (Ok(kernel), Some(events)),
        Err(error) => (Err(error), None),
    };
    let error_path = of_error_path(options, &names, loaded.as_mut())?;
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
                Stem::Config
                | Stem::AccessLog
                | Stem::ErrorLog
                | Stem::Processes
                | Stem::StubStatus => of_files(source),
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
        nginx,
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
    names: &[String],
    kernel: Result<&mut Kernel, &mut LoadError>,
) -> anyhow::Result<Verdict> {
    if options.watch.no_uprobes() {
        return Ok(Verdict::idle(
            "turned off",
            "run without --no-uprobes (NGINX_PROBE_NO_UPROBES, no-uprobes) to have it",
        ));
    }
    let kernel = match kernel {
        Ok(kernel) => kernel,
        Err(error) => return Ok(source::of_probes(Stem::ErrorPath, Err(error))),
    };
    let mut fleet = selected(options, names);
    fleet.scan()?;
    let masters = fleet.masters();
    let masters = masters.map(|(pid, _, config)| (pid, Missing::of(config)));
    let mut binaries = Binaries::default();
    let found = binaries.follow(kernel, fleet.proc().root(), masters.collect());
    Ok(source::of_error_path(found.values()))
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

fn of_files(source: &source::Source) -> Verdict {
    if source::missing_capabilities(source.needs).is_empty() {
        Verdict::ok("other processes' files can be read")
    } else {
        source::without(source.needs)
    }
}

/// Follows no process: the doctor looks once.
struct NoTracking;

impl Track for NoTracking {
    fn track(&mut self, _pid: u32) {}
    fn untrack(&mut self, _pid: u32) {}
}

/// Every nginx on the host, and its logs.
fn nginx(options: &DoctorOptions, names: &[String]) -> anyhow::Result<Vec<Check>> {
    let selection = Selection {
        pid_files: options.watch.pid_file.clone(),
        masters: options.watch.master.clone(),
    };
    let proc = Proc::at("/proc");
    let missing = selection.missing(&proc, names);
    let mut fleet = Fleet::new(proc, names.to_vec(), selection, NoTracking, None);
    fleet.scan()?;
    let counts = fleet.counts();
    let mut checks = Vec::new();
    let mut add = |name: String, verdict| checks.push(Check::of(name, verdict));
    for (pid, instance, config) in fleet.masters() {
        let workers = counts.get(instance).map_or(0, |counts| counts.workers);
        let Some(config) = config else {
            add(
                instance.to_string(),
                Verdict::bad(
                    format!("master {pid}, {workers} workers: its configuration cannot be read"),
                    "run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
                ),
            );
            continue;
        };
        let conf = config.settings.conf_file.display();
        add(
            instance.to_string(),
            Verdict::ok(format!(
                "master {pid}, {workers} workers, configuration {conf}"
            )),
        );
        for warning in &config.settings.warnings {
            let fix = "the agent goes on with what it could read";
            add(
                format!("{instance} configuration"),
                Verdict::bad(warning, fix),
            );
        }
        for log in &config.settings.access_logs {
            let formats: Vec<_> = log.log_format.iter().cloned().collect();
            let verdict = of_log(config, &log.target, |path| match compile(&formats, path) {
                (readable, _) if !readable.is_empty() => Ok(format!("format {}", log.format)),
                (_, problems) => Err(problems
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| format!("its format {} is nowhere defined", log.format))),
            });
            add(format!("{instance} access log"), verdict);
        }
        for log in &config.settings.error_logs {
            let level = |_: &Path| Ok(format!("level {} and worse", log.level));
            let verdict = of_log(config, &log.target, level);
            add(format!("{instance} error log"), verdict);
        }
    }
    for what in missing {
        add(
            "nginx".into(),
            Verdict::bad(what, "start it, or name another with --pid-file"),
        );
    }
    if checks.is_empty() {
        let fix = "the agent waits for one; if one runs under another name, give it with --name";
        checks.push(Check::of(
            "nginx",
            Verdict::idle("none is running on this host", fix),
        ));
    }
    Ok(checks)
}

/// Whether a log can be followed; `how` says how its lines are read, or why not.
fn of_log(
    config: &config::Master,
    target: &LogTarget,
    how: impl Fn(&Path) -> Result<String, String>,
) -> Verdict {
    const ADD: &str = "add a log to a file beside it to have its lines counted";
    match target {
        LogTarget::File(path) => match (config.root.open_regular(path), how(path)) {
            (Ok(_), Ok(how)) => Verdict::ok(format!("{}, {how}", path.display())),
            (Ok(_), Err(why)) => Verdict::bad(why, ADD),
            (Err(error @ OpenError::NotAFile { .. }), _) => Verdict::idle(error.to_string(), ADD),
            (Err(error), _) => {
                let fix = "the agent tries on and reads it when it can";
                Verdict::bad(error.to_string(), fix)
            }
        },
        LogTarget::Off => Verdict::ok("off"),
        LogTarget::Syslog(server) => Verdict::idle(format!("goes to syslog ({server})"), ADD),
        LogTarget::Unreadable { why } => Verdict::idle(why, ADD),
    }
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

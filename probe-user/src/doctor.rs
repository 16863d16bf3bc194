//! `doctor`: what works on this host, what does not, why, and the fix.

use std::{fmt::Write as _, io::Write as _};

use serde::Serialize;

use crate::{
    config::{self, LogTarget},
    fleet::{Fleet, Selection, Track},
    kernel::Kernel,
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
    let nginx = nginx(options, &names)?;
    let loaded = Kernel::load(&names).map(|(kernel, _)| kernel);
    let kernel_log = KernelLog::open(KMSG_PATH.as_ref());
    let sources = source::ALL
        .iter()
        .map(|source| {
            let verdict = match source.stem {
                Stem::Lifecycle | Stem::Signals | Stem::Oom => {
                    source::of_probes(source.stem, loaded.as_ref())
                }
                Stem::KernelLog => source::of_kernel_log(&kernel_log),
                Stem::Config | Stem::AccessLog => of_files(source),
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
            add(format!("{instance} access log"), of_log(config, log));
        }
    }
    for what in missing {
        add(
            "nginx".into(),
            Verdict::bad(what, "start it, or name another with --pid-file"),
        );
    }
    if checks.is_empty() {
        let fix = "nothing to do: the agent waits for it; name its program with --name if it runs";
        checks.push(Check {
            name: "nginx".into(),
            gives: None,
            verdict: Verdict::bad("no nginx is running on this host", fix),
        });
    }
    Ok(checks)
}

fn of_log(config: &config::Master, log: &config::AccessLog) -> Verdict {
    match &log.target {
        LogTarget::File(path) => match config.root.open_regular(path) {
            Ok(_) if log.format == "combined" => Verdict::ok(format!("{}", path.display())),
            Ok(_) => Verdict::bad(
                format!("{} has the format {}", path.display(), log.format),
                "this version reads combined only",
            ),
            Err(error) => Verdict::bad(
                error.to_string(),
                "the agent tries on and reads it when it can",
            ),
        },
        LogTarget::Off => Verdict::ok("off"),
        LogTarget::Syslog(server) => Verdict::bad(
            format!("goes to syslog ({server})"),
            "add an access_log to a file to have its answers counted",
        ),
        LogTarget::Unreadable { why } => Verdict::bad(
            why,
            "add an access_log to a file to have its answers counted",
        ),
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
                let mark = if check.verdict.ok { "ok " } else { "NO " };
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
        let verdict = if self.ok {
            "everything works"
        } else {
            "not everything works: see NO"
        };
        let _ = writeln!(out, "\n{verdict}");
        out
    }
}

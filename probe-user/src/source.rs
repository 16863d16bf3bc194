//! The sources: what each gives, what it needs, and whether it can run here.
//!
//! One ordered list, from which `doctor`, the `source` metric label and the start of `run` all
//! come. A source that cannot run is reported and done without.

mod host;
mod sockets;

use std::{collections::HashMap, io};

use caps::Capability;
use serde::Serialize;

pub use self::{
    host::of_host,
    sockets::{of_backends, of_hang, of_listen_queue},
};

use crate::{
    error_path::{Found, Missing},
    kernel::{EntryError, EntryWay, Kernel, LoadError, PROGRAMS, ProgramSpec},
    oom::{KMSG_PATH, KernelLog},
};

/// A signal's name: the same in the kernel side, in the agent, in tests and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is documented in `ALL`")]
pub enum Stem {
    Lifecycle,
    Signals,
    Oom,
    Accept,
    Errnos,
    Requests,
    ErrorPath,
    Backends,
    KernelLog,
    Config,
    AccessLog,
    ErrorLog,
    Processes,
    StubStatus,
    ListenQueue,
    Hang,
}

impl Stem {
    /// As in the metric label `source`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lifecycle => "lifecycle",
            Self::Signals => "signals",
            Self::Oom => "oom",
            Self::Accept => "accept",
            Self::Errnos => "errnos",
            Self::Requests => "requests",
            Self::ErrorPath => "error_path",
            Self::Backends => "backends",
            Self::KernelLog => "kernel_log",
            Self::Config => "config",
            Self::AccessLog => "access_log",
            Self::ErrorLog => "error_log",
            Self::Processes => "processes",
            Self::StubStatus => "stub_status",
            Self::ListenQueue => "listen_queue",
            Self::Hang => "hang",
        }
    }
}

/// A source.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Its name.
    pub stem: Stem,
    /// What the operator has of it.
    pub gives: &'static str,
    /// Capabilities that it needs, and for what.
    pub needs: &'static [Capability],
}

/// Every source, in the order in which `doctor` shows them.
pub const ALL: &[Source] = &[
    Source {
        stem: Stem::Lifecycle,
        gives: "births and deaths of workers, with exit code, signal and core flag",
        needs: PROBES,
    },
    Source {
        stem: Stem::Signals,
        gives: "who sent a fatal signal, and where a worker crashed",
        needs: PROBES,
    },
    Source {
        stem: Stem::Oom,
        gives: "victims of the OOM killer",
        needs: PROBES,
    },
    Source {
        stem: Stem::Accept,
        gives: "connections that were taken, dropped unserved, or could not be taken",
        needs: PROBES,
    },
    Source {
        stem: Stem::Errnos,
        gives: "system calls of workers that fail, by error",
        needs: PROBES,
    },
    Source {
        stem: Stem::Requests,
        gives: "each failed answer and whose it was; the requests in flight when a worker dies",
        needs: PROBES,
    },
    Source {
        stem: Stem::ErrorPath,
        gives: "error answers that nginx makes itself (TLS and HTTP/2 too), and why, without a log",
        needs: &[
            Capability::CAP_BPF,
            Capability::CAP_PERFMON,
            Capability::CAP_SYS_PTRACE,
            Capability::CAP_DAC_READ_SEARCH,
        ],
    },
    Source {
        stem: Stem::Backends,
        gives: "crashes and kills of the local programs behind nginx, and the answers that they spoil",
        needs: &[
            Capability::CAP_BPF,
            Capability::CAP_PERFMON,
            Capability::CAP_SYS_PTRACE,
            Capability::CAP_DAC_READ_SEARCH,
        ],
    },
    Source {
        stem: Stem::KernelLog,
        gives: "whose memory limit an OOM kill was about",
        needs: &[Capability::CAP_SYSLOG],
    },
    Source {
        stem: Stem::Config,
        gives: "where nginx keeps its logs and in what format, its limits, what is behind each location",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    },
    Source {
        stem: Stem::AccessLog,
        gives: "answers to clients, by status, and how long they took",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    },
    Source {
        stem: Stem::ErrorLog,
        gives: "what nginx itself says of failures, and why a configuration was refused",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    },
    Source {
        stem: Stem::Processes,
        gives: "descriptors, processor time and memory of workers",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    },
    Source {
        stem: Stem::StubStatus,
        gives: "nginx's own counters of connections and requests",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    },
    Source {
        stem: Stem::ListenQueue,
        gives: "how many connections wait to be accepted, and what a full queue drops",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    },
    Source {
        stem: Stem::Hang,
        gives: "workers that do not return to their event loop",
        needs: &[Capability::CAP_SYS_PTRACE],
    },
];

/// What loading and attaching the probes needs.
pub const PROBES: &[Capability] = &[Capability::CAP_BPF, Capability::CAP_PERFMON];

/// Whether a source can run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// It can.
    pub ok: bool,
    /// How it does, or why it cannot.
    pub detail: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Verdict {
    /// It works.
    pub fn ok(detail: impl Into<String>) -> Self {
        Self {
            ok: true,
            detail: detail.into(),
            fix: None,
        }
    }

    /// Nothing is wrong, and yet it gives nothing or less: nothing is there to read, or it was
    /// chosen so.
    pub fn idle(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            ok: true,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }

    /// It does not.
    pub fn bad(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            ok: false,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }
}

/// The capabilities of `needs` that this process does not have.
#[must_use]
pub fn missing_capabilities(needs: &[Capability]) -> Vec<Capability> {
    let have = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
    // Before Linux 5.8 and its finer capabilities, CAP_SYS_ADMIN was all of these.
    let admin = have.contains(&Capability::CAP_SYS_ADMIN);
    let probe = |need: &Capability| PROBES.contains(need) && admin;
    needs
        .iter()
        .filter(|need| !have.contains(need) && !probe(need))
        .copied()
        .collect()
}

/// A source that lacks some of the capabilities that it needs.
#[must_use]
pub fn without(needs: &[Capability]) -> Verdict {
    let missing: Vec<_> = missing_capabilities(needs)
        .iter()
        .map(ToString::to_string)
        .collect();
    Verdict::bad(
        format!("missing {}", missing.join(" ")),
        "run as root, or give the service these capabilities",
    )
}

/// Whether the probes of a stem are attached, by the outcome of [`Kernel::load`].
#[must_use]
pub fn of_probes(stem: Stem, loaded: Result<&Kernel, &LoadError>) -> Verdict {
    let kernel = match loaded {
        Ok(kernel) => kernel,
        Err(error) if error.is_permission() && !missing_capabilities(PROBES).is_empty() => {
            return without(PROBES);
        }
        Err(error) => return Verdict::bad(error.to_string(), error.fix()),
    };
    let way = kernel.way();
    let runs = |spec: &&ProgramSpec| spec.way.is_none() || spec.way == way;
    let specs: Vec<_> = PROGRAMS
        .iter()
        .filter(|spec| spec.stems.contains(&stem))
        .filter(runs)
        .collect();
    if specs.is_empty() {
        return match way {
            None => Verdict::idle("left out by --follow none", "run without it"),
            Some(_) if stem == Stem::Accept => {
                Verdict::ok("nginx's own counters, and its messages for the error log")
            }
            Some(_) => Verdict::ok(
                "calls on sockets; of others those that nginx has a message of for the error log",
            ),
        };
    }
    let failures: HashMap<_, _> = specs
        .iter()
        .filter_map(|spec| kernel.failures().get_key_value(spec.name))
        .collect();
    if let Some((name, error)) = failures.iter().next() {
        return Verdict::bad(
            format!("the program {name} was refused: {error}"),
            "this kernel lacks the hook; run doctor --log-level debug for the verifier's words",
        );
    }
    let hooks: Vec<_> = specs.iter().map(|spec| spec.hook.tracepoint()).collect();
    Verdict::ok(format!("tracepoints {}", hooks.join(", ")))
}

/// Whether nginx's own functions are watched, by the way in which they can be and by what became of
/// each binary.
#[must_use]
pub fn of_error_path<'a>(
    way: Option<Result<EntryWay, &EntryError>>,
    found: impl Iterator<Item = &'a Found> + Clone,
) -> Verdict {
    let way = match way {
        None => return Verdict::idle("left out", "run without --no-uprobes to have it"),
        Some(Err(error)) => {
            let text = format!("functions of programs cannot be attached to: {error}");
            return Verdict::bad(text, error.fix());
        }
        Some(Ok(way)) => way.as_str(),
    };
    let missing = found
        .clone()
        .flat_map(|one| one.missing.iter().map(move |why| (why, &one.path)));
    let text = |(why, path): (&Missing, &String)| format!("{path}: {why}");
    if let Some(bad) = missing.clone().find(|(why, _)| !why.is_choice()) {
        return Verdict::bad(text(bad), bad.0.fix());
    }
    if let Some(chosen) = missing.into_iter().next() {
        return Verdict::idle(text(chosen), chosen.0.fix());
    }
    let mut paths: Vec<_> = found.map(|one| one.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    Verdict::ok(match paths.as_slice() {
        [] => format!("no nginx runs whose functions could be watched (by {way})"),
        paths => format!("functions of {}, by {way}", paths.join(", ")),
    })
}

/// Whether the kernel log can be read.
#[must_use]
pub fn of_kernel_log(opened: &io::Result<KernelLog>) -> Verdict {
    match opened {
        Ok(log) => Verdict::ok(log.way()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Verdict::bad(
            format!("{KMSG_PATH} does not exist"),
            "give the agent CAP_SYSLOG; OOM kills are still seen, without limit",
        ),
        Err(error) => Verdict::bad(
            format!("cannot open {KMSG_PATH}: {error}"),
            "run as root or with CAP_SYSLOG; OOM kills are still seen, without limit",
        ),
    }
}

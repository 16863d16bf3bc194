//! The sources: what each gives, what it needs, and whether it can run here.
//!
//! One ordered list, from which `doctor`, the `source` metric label and the start of `run` all
//! come. A source that cannot run is reported and done without.

use std::{collections::HashMap, fs, io};

use caps::Capability;
use serde::Serialize;

use crate::{
    kernel::{BTF_PATH, Kernel, LoadError, PROGRAMS},
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
    KernelLog,
    Config,
    AccessLog,
}

impl Stem {
    /// As in the metric label `source`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lifecycle => "lifecycle",
            Self::Signals => "signals",
            Self::Oom => "oom",
            Self::KernelLog => "kernel_log",
            Self::Config => "config",
            Self::AccessLog => "access_log",
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
        stem: Stem::KernelLog,
        gives: "whose memory limit an OOM kill was about",
        needs: &[Capability::CAP_SYSLOG],
    },
    Source {
        stem: Stem::Config,
        gives: "where nginx keeps its logs and pid file, and how many workers it should have",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
    },
    Source {
        stem: Stem::AccessLog,
        gives: "answers to clients, by status",
        needs: &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
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
    let specs: Vec<_> = PROGRAMS.iter().filter(|spec| spec.stem == stem).collect();
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
    let hooks: Vec<_> = specs.iter().map(|spec| spec.tracepoint).collect();
    Verdict::ok(format!("raw tracepoints {}", hooks.join(", ")))
}

/// Whether the kernel log can be read.
#[must_use]
pub fn of_kernel_log(opened: &io::Result<KernelLog>) -> Verdict {
    match opened {
        Ok(_) => Verdict::ok(KMSG_PATH),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Verdict::bad(
            format!("{KMSG_PATH} does not exist"),
            "in a container, mount the host's /dev/kmsg; OOM kills are still seen, without limit",
        ),
        Err(error) => Verdict::bad(
            format!("cannot open {KMSG_PATH}: {error}"),
            "run as root or with CAP_SYSLOG; OOM kills are still seen, without limit",
        ),
    }
}

/// Facts about the host that every source stands on.
#[must_use]
pub fn of_host() -> Vec<(&'static str, Verdict)> {
    vec![
        ("kernel", of_kernel()),
        ("btf", of_btf()),
        ("privileges", of_privileges()),
        ("pid_namespace", of_pid_namespace()),
        ("proc", of_proc()),
    ]
}

fn of_kernel() -> Verdict {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let version = (numbers.next(), numbers.next());
    let detail = format!("Linux {release} {}", uname.machine().to_string_lossy());
    match version {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (5, 8) => Verdict::bad(
            format!("{detail} has no ring buffers"),
            "use Linux 5.8 or later",
        ),
        _ => Verdict::ok(detail),
    }
}

fn of_btf() -> Verdict {
    match fs::metadata(BTF_PATH) {
        Ok(metadata) => Verdict::ok(format!("{BTF_PATH}, {} KiB", metadata.len() / 1024)),
        Err(error) => Verdict::bad(
            format!("{BTF_PATH}: {error}"),
            "boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y",
        ),
    }
}

fn of_privileges() -> Verdict {
    let mut needs: Vec<_> = ALL
        .iter()
        .flat_map(|source| source.needs)
        .copied()
        .collect();
    needs.sort_unstable_by_key(Capability::index);
    needs.dedup();
    if missing_capabilities(&needs).is_empty() {
        let names: Vec<_> = needs.iter().map(ToString::to_string).collect();
        Verdict::ok(names.join(" "))
    } else {
        without(&needs)
    }
}

fn of_pid_namespace() -> Verdict {
    // The inode number of the initial pid namespace (`PROC_PID_INIT_INO`).
    const INITIAL: &str = "pid:[4026531836]";
    match fs::read_link("/proc/self/ns/pid") {
        Ok(link) if link.as_os_str() == INITIAL => Verdict::ok("the host's"),
        Ok(_) => Verdict::bad(
            "this is not the host's pid namespace: the kernel's process ids mean nothing here",
            "run on the host, or the container with --pid=host (hostPID: true)",
        ),
        Err(error) => Verdict::bad(format!("/proc/self/ns/pid: {error}"), "mount /proc"),
    }
}

fn of_proc() -> Verdict {
    match fs::read_to_string("/proc/1/stat") {
        Ok(_) => Verdict::ok("every process can be seen"),
        Err(error) => Verdict::bad(
            format!("/proc hides other users' processes (hidepid): /proc/1/stat: {error}"),
            "run with CAP_SYS_PTRACE, or with the group of /proc's gid= mount option",
        ),
    }
}

//! The programs: where each attaches, and which signal it serves.

use std::collections::HashMap;

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, ProgramError, RawTracePoint, UProbe},
};

use crate::source::Stem;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A raw tracepoint.
    Raw(&'static str),
    /// A tracepoint whose arguments have types.
    Typed(&'static str),
    /// The entry of a function of nginx, once a binary that has it runs.
    Entry(&'static str),
}

impl Hook {
    /// The tracepoint's or function's name.
    #[must_use]
    pub const fn tracepoint(self) -> &'static str {
        match self {
            Self::Raw(name) | Self::Typed(name) | Self::Entry(name) => name,
        }
    }
}

/// One program.
#[derive(Clone, Copy, Debug)]
pub struct ProgramSpec {
    /// Function name in `probe-ebpf`.
    pub name: &'static str,
    /// Where it runs.
    pub hook: Hook,
    /// The signals that are lost without it.
    pub stems: &'static [Stem],
}

/// Every program, in the order in which they are attached: deaths before births, so that nothing
/// that begins to be tracked can end unseen.
pub const PROGRAMS: &[ProgramSpec] = &[
    raw("lifecycle_exit", "sched_process_exit", &[Stem::Lifecycle]),
    raw("oom_victim", "mark_victim", &[Stem::Oom]),
    raw("signals_deliver", "signal_deliver", &[Stem::Signals]),
    raw("signals_generate", "signal_generate", &[Stem::Signals]),
    ProgramSpec {
        name: "syscalls_exit",
        hook: Hook::Typed("sys_exit"),
        stems: &[Stem::Accept, Stem::Errnos, Stem::Requests],
    },
    raw("lifecycle_fork", "sched_process_fork", &[Stem::Lifecycle]),
    raw("lifecycle_exec", "sched_process_exec", &[Stem::Lifecycle]),
    entry(ANSWER, "ngx_http_special_response_handler"),
    entry(LOG, "ngx_log_error_core"),
];

/// Tells of error answers that nginx makes itself.
pub const ANSWER: &str = "error_path_answer";
/// Tells of messages for the error log.
pub const LOG: &str = "error_path_log";

const fn entry(name: &'static str, function: &'static str) -> ProgramSpec {
    ProgramSpec {
        name,
        hook: Hook::Entry(function),
        stems: &[Stem::ErrorPath],
    }
}

const fn raw(name: &'static str, tracepoint: &'static str, stems: &'static [Stem]) -> ProgramSpec {
    ProgramSpec {
        name,
        hook: Hook::Raw(tracepoint),
        stems,
    }
}

/// Loads and attaches every program that serves anything but the stems in `without`; gives those
/// that the kernel refused, and why.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    btf: &Btf,
    without: &[Stem],
) -> HashMap<&'static str, ProgramError> {
    let mut failures = HashMap::new();
    for spec in PROGRAMS {
        if spec.stems.iter().all(|stem| without.contains(stem)) {
            continue;
        }
        if let Err(error) = attach_one(ebpf, btf, spec) {
            log::debug!("the kernel refused the program {}: {error:?}", spec.name);
            failures.insert(spec.name, error);
        }
    }
    failures
}

fn attach_one(ebpf: &mut Ebpf, btf: &Btf, spec: &ProgramSpec) -> Result<(), ProgramError> {
    let program = ebpf
        .program_mut(spec.name)
        .ok_or_else(|| ProgramError::InvalidName {
            name: spec.name.to_owned(),
        })?;
    match spec.hook {
        Hook::Raw(tracepoint) => {
            let program: &mut RawTracePoint = program.try_into()?;
            program.load()?;
            program.attach(tracepoint).map(drop)
        }
        Hook::Typed(tracepoint) => {
            let program: &mut BtfTracePoint = program.try_into()?;
            program.load(tracepoint, btf)?;
            program.attach().map(drop)
        }
        Hook::Entry(_) => {
            // Loaded with the first binary that has the function.
            let _: &mut UProbe = program.try_into()?;
            Ok(())
        }
    }
}

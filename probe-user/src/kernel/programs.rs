//! The programs: where each attaches, and which signal it serves.

use std::collections::HashMap;

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, Program, ProgramError, RawTracePoint, UProbe},
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

/// How requests are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By what goes through the sockets of workers.
    Sockets,
    /// By every system call of workers, which tells more and costs more.
    Syscalls,
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
    /// The way to follow requests that it belongs to; none for those that always run.
    pub way: Option<Way>,
}

/// Every program, in the order in which they are attached: deaths before births, so that nothing
/// that begins to be tracked can end unseen.
pub const PROGRAMS: &[ProgramSpec] = &[
    raw("lifecycle_exit", "sched_process_exit", OF_PROCESSES),
    raw("oom_victim", "mark_victim", &[Stem::Oom]),
    raw("signals_deliver", "signal_deliver", &[Stem::Signals]),
    raw("signals_generate", "signal_generate", &[Stem::Signals]),
    ProgramSpec {
        name: "syscalls_exit",
        hook: Hook::Typed("sys_exit"),
        stems: &[Stem::Accept, Stem::Errnos, Stem::Requests],
        way: Some(Way::Syscalls),
    },
    socket("sockets_recv", "sock_recv_length"),
    socket("sockets_send", "sock_send_length"),
    socket("sockets_state", "inet_sock_set_state"),
    socket("sockets_destroy", "tcp_destroy_sock"),
    raw("lifecycle_fork", "sched_process_fork", OF_PROCESSES),
    raw("lifecycle_exec", "sched_process_exec", OF_PROCESSES),
    entry(ANSWER, "ngx_http_special_response_handler"),
    entry(LOG, "ngx_log_error_core"),
];

/// What births and ends tell.
const OF_PROCESSES: &[Stem] = &[Stem::Lifecycle, Stem::Backends];

/// Tells of error answers that nginx makes itself.
pub const ANSWER: &str = "error_path_answer";
/// Tells of messages for the error log.
pub const LOG: &str = "error_path_log";

const fn entry(name: &'static str, function: &'static str) -> ProgramSpec {
    ProgramSpec {
        name,
        hook: Hook::Entry(function),
        stems: &[Stem::ErrorPath],
        way: None,
    }
}

const fn socket(name: &'static str, tracepoint: &'static str) -> ProgramSpec {
    ProgramSpec {
        name,
        hook: Hook::Typed(tracepoint),
        stems: &[Stem::Requests],
        way: Some(Way::Sockets),
    }
}

const fn raw(name: &'static str, tracepoint: &'static str, stems: &'static [Stem]) -> ProgramSpec {
    ProgramSpec {
        name,
        hook: Hook::Raw(tracepoint),
        stems,
        way: None,
    }
}

/// Loads and attaches every program that always runs, and those of the first of `ways` that the
/// kernel takes. Gives that way, and the programs that the kernel refused, with the reason.
pub(super) fn attach(
    ebpf: &mut Ebpf,
    btf: &Btf,
    ways: &[Way],
) -> (Option<Way>, HashMap<&'static str, ProgramError>) {
    let taken = ways.iter().copied().find(|way| takes(ebpf, btf, *way));
    let way = taken.or(ways.last().copied());
    let mut failures = HashMap::new();
    for spec in PROGRAMS {
        if spec.way.is_some() && spec.way != way {
            continue;
        }
        let attached = load(ebpf, btf, spec).and_then(|()| attach_one(ebpf, spec));
        if let Err(error) = attached {
            log::debug!("the kernel refused the program {}: {error:?}", spec.name);
            failures.insert(spec.name, error);
        }
    }
    (way, failures)
}

/// Loads the programs of a way, or none of them.
fn takes(ebpf: &mut Ebpf, btf: &Btf, way: Way) -> bool {
    let specs = || PROGRAMS.iter().filter(|spec| spec.way == Some(way));
    let refused = specs().find_map(|spec| Some((spec, load(ebpf, btf, spec).err()?)));
    let Some((spec, error)) = refused else {
        return true;
    };
    log::debug!("the kernel refused the program {}: {error:?}", spec.name);
    for spec in specs() {
        let loaded = named(ebpf, spec.name).and_then(<&mut BtfTracePoint>::try_from);
        if let Ok(program) = loaded {
            // One that was not loaded has nothing to give back.
            let _ = program.unload();
        }
    }
    false
}

fn named<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, ProgramError> {
    ebpf.program_mut(name)
        .ok_or_else(|| ProgramError::InvalidName {
            name: name.to_owned(),
        })
}

/// Has the kernel take a program, if it has not yet.
fn load(ebpf: &mut Ebpf, btf: &Btf, spec: &ProgramSpec) -> Result<(), ProgramError> {
    let program = named(ebpf, spec.name)?;
    if program.fd().is_ok() {
        return Ok(());
    }
    match spec.hook {
        Hook::Raw(_) => <&mut RawTracePoint>::try_from(program)?.load(),
        Hook::Typed(tracepoint) => <&mut BtfTracePoint>::try_from(program)?.load(tracepoint, btf),
        // Loaded with the first binary that has the function.
        Hook::Entry(_) => <&mut UProbe>::try_from(program).map(drop),
    }
}

fn attach_one(ebpf: &mut Ebpf, spec: &ProgramSpec) -> Result<(), ProgramError> {
    let program = named(ebpf, spec.name)?;
    match spec.hook {
        Hook::Raw(tracepoint) => <&mut RawTracePoint>::try_from(program)?
            .attach(tracepoint)
            .map(drop),
        Hook::Typed(_) => <&mut BtfTracePoint>::try_from(program)?.attach().map(drop),
        Hook::Entry(_) => Ok(()),
    }
}

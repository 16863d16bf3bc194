//! Loads the programs into the kernel and attaches them.

use std::{
    collections::{BTreeMap, HashMap as StdHashMap},
    fs, io,
    path::Path,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, MapData, MapError, PerCpuArray, RingBuf},
    programs::{ProgramError, RawTracePoint},
};
use nginx_probe_ebpf::record::{COMM_LEN, Kind};

use super::btf::{Btf, BtfError};
use crate::source::Stem;

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("NGINX_PROBE_EBPF_FILE"));

/// One program: its name in the object, where it attaches, and the signal it serves.
#[derive(Clone, Copy, Debug)]
pub struct ProgramSpec {
    /// Function name in `probe-ebpf`.
    pub name: &'static str,
    /// The raw tracepoint it runs at.
    pub tracepoint: &'static str,
    /// The signal that is lost without it.
    pub stem: Stem,
}

/// Every program, in the order in which they are attached: deaths before births, so that nothing
/// that begins to be tracked can end unseen.
pub const PROGRAMS: &[ProgramSpec] = &[
    program("lifecycle_exit", "sched_process_exit", Stem::Lifecycle),
    program("oom_victim", "mark_victim", Stem::Oom),
    program("signals_deliver", "signal_deliver", Stem::Signals),
    program("signals_generate", "signal_generate", Stem::Signals),
    program("lifecycle_fork", "sched_process_fork", Stem::Lifecycle),
    program("lifecycle_exec", "sched_process_exec", Stem::Lifecycle),
];

const fn program(name: &'static str, tracepoint: &'static str, stem: Stem) -> ProgramSpec {
    ProgramSpec {
        name,
        tracepoint,
        stem,
    }
}

/// Where the kernel keeps its type information.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// Why the kernel half does not run at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel has no type information.
    #[error("cannot read the kernel's type information {BTF_PATH}: {0}")]
    NoBtf(io::Error),
    /// It has, but not what is needed.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The kernel refused the object or its maps.
    #[error("the kernel refused the probes: {}", chain(.0.as_ref()))]
    Refused(Box<dyn std::error::Error + Send + Sync>),
}

impl LoadError {
    /// It is for want of a privilege.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(
            self.os_error(),
            Some(libc_errno::EPERM | libc_errno::EACCES)
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match (self, self.os_error()) {
            (_, Some(libc_errno::EPERM | libc_errno::EACCES)) => {
                "run as root, or with CAP_BPF and CAP_PERFMON (before Linux 5.11 also with an \
                 unlimited RLIMIT_MEMLOCK); --no-kernel reads the logs alone"
            }
            (Self::Refused(_), Some(libc_errno::EINVAL)) => {
                "ring buffers need Linux 5.8 or later; --no-kernel reads the logs alone"
            }
            _ => {
                "the probes need a kernel with CONFIG_DEBUG_INFO_BTF=y, 5.8 or later; \
                 --no-kernel reads the logs alone"
            }
        }
    }

    /// The system's error number at the root of it.
    fn os_error(&self) -> Option<i32> {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return error.raw_os_error();
            }
            source = match error.downcast_ref::<Self>() {
                Some(Self::NoBtf(error)) => Some(error),
                Some(Self::Refused(error)) => Some(error.as_ref()),
                _ => error.source(),
            };
        }
        None
    }
}

/// An error and what caused it, in one line. The loader's own messages name only the outermost.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// Error numbers that tell what to do.
mod libc_errno {
    pub(super) const EPERM: i32 = rustix::io::Errno::PERM.raw_os_error();
    pub(super) const EACCES: i32 = rustix::io::Errno::ACCESS.raw_os_error();
    pub(super) const EINVAL: i32 = rustix::io::Errno::INVAL.raw_os_error();
}

/// The loaded programs. Dropping it detaches all of them; nothing is pinned.
pub struct Kernel {
    tracked: HashMap<MapData, u32, u8>,
    lost: PerCpuArray<MapData, u64>,
    failures: StdHashMap<&'static str, ProgramError>,
    #[cfg(feature = "debug-log")]
    messages: aya_log::EbpfLogger<&'static dyn log::Log>,
    /// Holds the programs: they are detached with it.
    _ebpf: Ebpf,
}

impl Kernel {
    /// Loads and attaches every program; one that cannot attach is kept in [`Self::failures`].
    /// `names` are the program names to track from their start.
    ///
    /// # Errors
    /// When the kernel has no BTF, or refuses the maps.
    pub fn load(names: &[String]) -> Result<(Self, RingBuf<MapData>), LoadError> {
        let layout = {
            let data = fs::read(Path::new(BTF_PATH)).map_err(LoadError::NoBtf)?;
            Btf::parse(&data)?.layout()?
        };
        let mut ebpf = EbpfLoader::new()
            .override_global("LAYOUT", &layout[..], true)
            .load(OBJECT)
            .map_err(|error| LoadError::Refused(error.into()))?;
        let events = RingBuf::try_from(take(&mut ebpf, "EVENTS")?).map_err(maps)?;
        let tracked = HashMap::try_from(take(&mut ebpf, "TRACKED")?).map_err(maps)?;
        let lost = PerCpuArray::try_from(take(&mut ebpf, "LOST")?).map_err(maps)?;
        let mut watched =
            HashMap::<_, [u8; COMM_LEN], u8>::try_from(take(&mut ebpf, "NAMES")?).map_err(maps)?;
        for name in names {
            watched.insert(comm(name), 1, 0).map_err(maps)?;
        }
        #[cfg(feature = "debug-log")]
        let messages = aya_log::EbpfLogger::init(&mut ebpf)
            .map_err(|error| LoadError::Refused(error.into()))?;
        let failures = attach(&mut ebpf);
        Ok((
            Self {
                tracked,
                lost,
                failures,
                #[cfg(feature = "debug-log")]
                messages,
                _ebpf: ebpf,
            },
            events,
        ))
    }

    /// Passes the programs' own messages on to the agent's log.
    #[cfg(feature = "debug-log")]
    pub fn show_messages(&mut self) {
        self.messages.flush();
    }

    /// Programs that could not be attached, and why.
    #[must_use]
    pub const fn failures(&self) -> &StdHashMap<&'static str, ProgramError> {
        &self.failures
    }

    /// Begins to track a process.
    ///
    /// # Errors
    /// When the kernel's table (16,384 processes) is full.
    pub fn track(&mut self, pid: u32) -> Result<(), MapError> {
        self.tracked.insert(pid, 1, 0)
    }

    /// Ends it; a process that is not tracked is no error.
    pub fn untrack(&mut self, pid: u32) {
        let _ = self.tracked.remove(&pid);
    }

    /// Records that the kernel side could not deliver, by kind, since the start.
    #[must_use]
    pub fn lost(&self) -> [u64; Kind::ALL.len()] {
        Kind::ALL.map(|kind| {
            self.lost
                .get(&(kind as u32), 0)
                .map_or(0, |values| values.iter().sum())
        })
    }

    /// Bytes of kernel memory that the programs and maps take, as the kernel accounts for it in
    /// `/proc/self/fdinfo`.
    #[must_use]
    pub fn memory_bytes() -> u64 {
        let Ok(files) = fs::read_dir("/proc/self/fdinfo") else {
            return 0;
        };
        let mut objects = BTreeMap::new();
        for file in files.filter_map(Result::ok) {
            let Ok(text) = fs::read_to_string(file.path()) else {
                continue;
            };
            let value = |name| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            };
            // Two descriptors may lead to one object.
            let id = (value("prog_id:"), value("map_id:"));
            if let (true, Some(bytes)) = (id != (None, None), value("memlock:")) {
                objects.insert(id, bytes);
            }
        }
        objects.values().sum()
    }
}

fn attach(ebpf: &mut Ebpf) -> StdHashMap<&'static str, ProgramError> {
    let mut failures = StdHashMap::new();
    for spec in PROGRAMS {
        let result = ebpf
            .program_mut(spec.name)
            .ok_or_else(|| ProgramError::InvalidName {
                name: spec.name.to_owned(),
            })
            .and_then(|program| {
                let program: &mut RawTracePoint = program.try_into()?;
                program.load()?;
                program.attach(spec.tracepoint).map(drop)
            });
        if let Err(error) = result {
            failures.insert(spec.name, error);
        }
    }
    failures
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map, LoadError> {
    ebpf.take_map(name)
        .ok_or_else(|| LoadError::Refused(format!("no map named {name}").into()))
}

fn maps(error: MapError) -> LoadError {
    LoadError::Refused(error.into())
}

/// A name as the kernel keeps it: cut to 15 bytes, padded with NUL.
fn comm(name: &str) -> [u8; COMM_LEN] {
    let mut comm = [0; COMM_LEN];
    for (to, from) in comm.iter_mut().take(COMM_LEN - 1).zip(name.bytes()) {
        *to = from;
    }
    comm
}

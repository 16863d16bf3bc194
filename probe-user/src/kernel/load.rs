//! Loads the programs into the kernel and attaches them.

use std::{
    collections::{BTreeMap, HashMap as StdHashMap},
    fs, io,
    path::Path,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, MapData, MapError, PerCpuArray, RingBuf},
    programs::ProgramError,
};
use nginx_probe_ebpf::{
    record::{COMM_LEN, Kind},
    table, tracking,
};

use super::{
    btf::{Btf, BtfError},
    calls,
    programs::{self, Way},
    uprobes::Entries,
    workers::Workers,
};

/// The compiled programs.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("NGINX_PROBE_EBPF_FILE"));

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

/// How much the programs can follow at once: what there is no room for is counted as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Workers, those that drain too; 5.2 KB of kernel memory each.
    pub workers: u32,
    /// Their connections; 0.4 KB each.
    pub connections: u32,
}

impl Sizes {
    /// Enough to see that the kernel takes the programs.
    pub const LEAST: Self = Self {
        workers: 1,
        connections: 1,
    };
    const MIN: Self = Self {
        workers: 64,
        connections: 4_096,
    };
    const MAX: Self = Self {
        workers: 4_096,
        connections: 262_144,
    };

    /// Enough for these masters, each with so many workers of so many connections: for three more
    /// generations of workers that drain, and some connections of theirs.
    #[must_use]
    pub fn of(masters: impl Iterator<Item = (u32, u32)>) -> Self {
        let (mut workers, mut connections) = (0u32, 0u32);
        for (processes, each) in masters {
            workers = workers.saturating_add(processes.saturating_mul(4));
            let all = processes.saturating_mul(each);
            connections = connections.saturating_add(all).saturating_add(all / 32);
        }
        Self {
            workers: workers.clamp(Self::MIN.workers, Self::MAX.workers),
            connections: connections.clamp(Self::MIN.connections, Self::MAX.connections),
        }
    }

    /// Twice as many, so that mostly the first place that is looked at is the right one.
    const fn places_of_workers(self) -> u32 {
        self.workers.saturating_mul(2).next_power_of_two()
    }

    /// A fifth more: with all connections in use at once, one in a thousand may find no place.
    fn places_of_connections(self) -> u32 {
        let more = self.connections.saturating_add(self.connections / 5);
        more.max(table::LEAST) | 1
    }
}

/// The loaded programs. Dropping it detaches all of them; nothing is pinned.
pub struct Kernel {
    tracked: HashMap<MapData, u32, u8>,
    backends: HashMap<MapData, u32, u32>,
    workers: Workers,
    lost: PerCpuArray<MapData, u64>,
    failures: StdHashMap<&'static str, ProgramError>,
    way: Option<Way>,
    /// How the functions of nginx are attached to; nothing where they are left alone.
    pub(super) entries: Option<Entries>,
    #[cfg(feature = "debug-log")]
    messages: aya_log::EbpfLogger<&'static dyn log::Log>,
    /// Holds the programs: they are detached with it.
    pub(super) ebpf: Ebpf,
}

impl Kernel {
    /// Loads and attaches every program; one that cannot attach is kept in [`Self::failures`].
    /// `names` are the program names to track from their start, `sizes` how much can be
    /// followed at once. Requests are followed in the first of `ways` that the kernel takes, with
    /// none of them not at all. Functions of nginx can be attached to with `functions` only.
    ///
    /// # Errors
    /// When the kernel has no BTF, or refuses the maps.
    pub fn load(
        names: &[String],
        sizes: Sizes,
        ways: &[Way],
        functions: bool,
    ) -> Result<(Self, RingBuf<MapData>), LoadError> {
        let layout = {
            let data = fs::read(Path::new(BTF_PATH)).map_err(LoadError::NoBtf)?;
            Btf::parse(&data)?.layout()?
        };
        let btf = aya::Btf::from_sys_fs().map_err(|error| LoadError::Refused(error.into()))?;
        let calls = calls::table();
        let (workers, places) = (sizes.places_of_workers(), sizes.places_of_connections());
        let mut ebpf = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("LAYOUT", &layout[..], true)
            .override_global("CALL_TABLE", &calls[..], true)
            .override_global("CONNECT_CALL", &calls::CONNECT, true)
            .override_global("WORKER_MASK", &(workers - 1), true)
            .override_global("CONNECTION_PLACES", &places, true)
            .map_max_entries("WORKERS", workers)
            .map_max_entries("CONNECTION_KEYS", places)
            .map_max_entries("CONNECTIONS", places)
            .load(OBJECT)
            .map_err(|error| LoadError::Refused(error.into()))?;
        let entries = functions.then(|| Entries::try_ways(&mut ebpf, OBJECT));
        let events = RingBuf::try_from(take(&mut ebpf, "EVENTS")?).map_err(maps)?;
        let tracked = HashMap::try_from(take(&mut ebpf, "TRACKED")?).map_err(maps)?;
        let backends = HashMap::try_from(take(&mut ebpf, "BACKENDS")?).map_err(maps)?;
        let lost = PerCpuArray::try_from(take(&mut ebpf, "LOST")?).map_err(maps)?;
        let mut watched =
            HashMap::<_, [u8; COMM_LEN], u8>::try_from(take(&mut ebpf, "NAMES")?).map_err(maps)?;
        for name in names {
            watched.insert(comm(name), 1, 0).map_err(maps)?;
        }
        #[cfg(feature = "debug-log")]
        let messages = aya_log::EbpfLogger::init(&mut ebpf)
            .map_err(|error| LoadError::Refused(error.into()))?;
        let workers = Workers::new(&mut ebpf)?;
        let (way, failures) = programs::attach(&mut ebpf, &btf, ways);
        Ok((
            Self {
                tracked,
                backends,
                workers,
                lost,
                failures,
                way,
                entries,
                #[cfg(feature = "debug-log")]
                messages,
                ebpf,
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

    /// How requests are followed, if they are.
    #[must_use]
    pub const fn way(&self) -> Option<Way> {
        self.way
    }

    /// Begins to track a process.
    ///
    /// # Errors
    /// When the kernel's table (4,096 processes) is full.
    pub fn track(&mut self, pid: u32) -> Result<(), MapError> {
        self.tracked.insert(pid, 1, 0)
    }

    /// Begins to track a process behind nginx, of that group, and what it forks.
    ///
    /// # Errors
    /// When the kernel's table (1,024 processes) is full.
    pub fn track_backend(&mut self, pid: u32, group: u32) -> Result<(), MapError> {
        self.backends.insert(pid, tracking::found(group), 0)
    }

    /// Ends it; a process that is not tracked is no error.
    pub fn untrack_backend(&mut self, pid: u32) {
        let _ = self.backends.remove(&pid);
    }

    /// What the programs keep of workers.
    #[must_use]
    pub const fn workers(&self) -> &Workers {
        &self.workers
    }

    /// What the programs keep of workers.
    pub const fn workers_mut(&mut self) -> &mut Workers {
        &mut self.workers
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

pub(super) fn take(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map, LoadError> {
    ebpf.take_map(name)
        .ok_or_else(|| LoadError::Refused(format!("no map named {name}").into()))
}

pub(super) fn maps(error: MapError) -> LoadError {
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

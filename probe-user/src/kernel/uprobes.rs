//! Attaching a program to the entry of a function in a file, and detaching it.
//!
//! There are two ways, and which of them a host allows is found by trying, never from its version:
//! distributions take fixes into old kernels, and sandboxes refuse calls.

use std::{
    fmt,
    fs::File,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use aya::{
    Ebpf,
    programs::{
        ProgramError, UProbe,
        uprobe::{UProbeLinkId, UProbeScope},
    },
};
use caps::{CapSet, Capability};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::{
    Kernel,
    multi::{Multi, MultiError},
    programs::{ANSWER, LOG},
};

/// The file on which attaching is tried has so many bytes, and no process maps it.
const TRIED_BYTES: u64 = 4096;

/// A program that runs at the entry of a function, until this is dropped or detached.
#[derive(Debug)]
pub struct EntryLink(Link);

#[derive(Debug)]
enum Link {
    /// Closing the descriptor detaches the program.
    Multi(OwnedFd),
    Perf(&'static str, UProbeLinkId),
}

/// How programs are attached to functions here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryWay {
    /// By a `uprobe_multi` link.
    Multi,
    /// By a perf event.
    Perf {
        /// The kernel asks for `CAP_SYS_ADMIN`.
        admin: bool,
    },
}

impl EntryWay {
    /// What the agent must keep to attach to the functions of an nginx that comes later.
    #[must_use]
    pub const fn needs(self) -> &'static [Capability] {
        match self {
            Self::Multi | Self::Perf { admin: false } => {
                &[Capability::CAP_BPF, Capability::CAP_PERFMON]
            }
            Self::Perf { admin: true } => &[
                Capability::CAP_BPF,
                Capability::CAP_PERFMON,
                Capability::CAP_SYS_ADMIN,
            ],
        }
    }

    /// The way in a few words, for `doctor`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Multi => "uprobe_multi",
            Self::Perf { admin: false } => "perf events",
            Self::Perf { admin: true } => "perf events, with CAP_SYS_ADMIN",
        }
    }
}

/// Why a program was not attached to a function: what each of the two ways came to.
#[derive(Debug)]
pub struct EntryError {
    multi: String,
    perf: ProgramError,
}

impl EntryError {
    /// The kernel or a sandbox refuses it to this user, whatever the function.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(
            os_error(&self.perf),
            Some(libc::EPERM | libc::EACCES | libc::ENOSYS)
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        if self.is_permission() {
            "allow it CAP_SYS_ADMIN, which Linux before 6.6 asks for here; for the service: install -D \
             -m 644 -t /etc/systemd/system/nginx-probe.service.d \
             /usr/share/nginx-probe/systemd/sys-admin.conf && systemctl daemon-reload && systemctl \
             restart nginx-probe"
        } else {
            "the rest goes on without it; --log-level debug says more"
        }
    }
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let perf = brief(&self.perf);
        write!(f, "uprobe_multi: {}; perf event: {perf}", self.multi)
    }
}

impl std::error::Error for EntryError {}

/// The programs of functions, in the ways in which they can be attached.
#[derive(Debug)]
pub(super) struct Entries {
    multi: Result<Multi, MultiError>,
    way: Result<EntryWay, EntryError>,
}

impl Entries {
    /// Loads the programs and tries which way works. `ebpf` must still have all of its maps.
    pub(super) fn try_ways(ebpf: &mut Ebpf, object: &[u8]) -> Self {
        let multi = Multi::load(ebpf, object, &[ANSWER, LOG]);
        if let Err(error) = &multi {
            log::debug!("no programs for uprobe_multi links: {error}");
        }
        let way = try_ways(ebpf, &multi);
        log::debug!("attaching to functions: {way:?}");
        Self { multi, way }
    }
}

impl Kernel {
    /// How programs are attached to functions, or why they are not. Nothing where it was not tried.
    #[must_use]
    pub fn entry_way(&self) -> Option<Result<EntryWay, &EntryError>> {
        let entries = self.entries.as_ref()?;
        Some(entries.way.as_ref().copied())
    }

    /// Attaches a program to the function that begins at `offset` of `file`, in every process that
    /// runs it now or later. The descriptor of the file need not stay open.
    ///
    /// # Errors
    /// When the kernel refuses, as for a file that is not on a real file system.
    pub fn attach_entry(
        &mut self,
        program: &'static str,
        file: &File,
        offset: u64,
    ) -> Result<EntryLink, EntryError> {
        let multi = match &self.entries {
            Some(entries) => attach_multi(&entries.multi, program, file, offset),
            None => Err("left out".to_owned()),
        };
        let multi = match multi {
            Ok(link) => return Ok(EntryLink(Link::Multi(link))),
            Err(error) => error,
        };
        match attach_perf(&mut self.ebpf, program, file, offset) {
            Ok(id) => Ok(EntryLink(Link::Perf(program, id))),
            Err(perf) => Err(EntryError { multi, perf }),
        }
    }

    /// Detaches a program from a function.
    pub fn detach_entry(&mut self, link: EntryLink) {
        let detached = match link.0 {
            Link::Multi(fd) => {
                drop(fd);
                Ok(())
            }
            Link::Perf(program, id) => {
                entry(&mut self.ebpf, program).and_then(|program| program.detach(id))
            }
        };
        if let Err(error) = detached {
            log::debug!("cannot detach from a function: {error}");
        }
    }
}

/// Attaches to a file that no process runs, first with as few privileges as may do.
fn try_ways(ebpf: &mut Ebpf, multi: &Result<Multi, MultiError>) -> Result<EntryWay, EntryError> {
    let file = match tried_file() {
        Ok(file) => file,
        Err(error) => {
            return Err(EntryError {
                multi: "not tried".into(),
                perf: ProgramError::IOError(error),
            });
        }
    };
    let admin = Lowered::new(Capability::CAP_SYS_ADMIN);
    let Err(without) = attach_multi(multi, ANSWER, &file, 0) else {
        return Ok(EntryWay::Multi);
    };
    if try_perf(ebpf, &file).is_ok() {
        return Ok(EntryWay::Perf { admin: false });
    }
    drop(admin);
    match try_perf(ebpf, &file) {
        Ok(()) => Ok(EntryWay::Perf { admin: true }),
        Err(perf) => Err(EntryError {
            multi: without,
            perf,
        }),
    }
}

fn try_perf(ebpf: &mut Ebpf, file: &File) -> Result<(), ProgramError> {
    let id = attach_perf(ebpf, ANSWER, file, 0)?;
    entry(ebpf, ANSWER)?.detach(id)
}

/// A regular file for attaching to, which is in no folder.
fn tried_file() -> io::Result<File> {
    let file = memfd_create("nginx-probe", MemfdFlags::CLOEXEC)?;
    ftruncate(&file, TRIED_BYTES)?;
    Ok(file.into())
}

fn attach_multi(
    multi: &Result<Multi, MultiError>,
    program: &str,
    file: &File,
    offset: u64,
) -> Result<OwnedFd, String> {
    let multi = multi.as_ref().map_err(ToString::to_string)?;
    multi
        .attach(program, file, offset)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => "the kernel does not have it (it came with Linux 6.6)".into(),
            _ => error.to_string(),
        })
}

fn attach_perf(
    ebpf: &mut Ebpf,
    program: &str,
    file: &File,
    offset: u64,
) -> Result<UProbeLinkId, ProgramError> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let entry = entry(ebpf, program)?;
    if entry.fd().is_err() {
        entry.load()?;
    }
    entry.attach(offset, path, UProbeScope::AllProcesses)
}

fn entry<'a>(ebpf: &'a mut Ebpf, program: &str) -> Result<&'a mut UProbe, ProgramError> {
    ebpf.program_mut(program)
        .ok_or_else(|| ProgramError::InvalidName {
            name: program.to_owned(),
        })?
        .try_into()
}

/// A capability that this thread does not use while this lives.
struct Lowered(Option<Capability>);

impl Lowered {
    fn new(capability: Capability) -> Self {
        let had = caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
        let lowered = had && caps::drop(None, CapSet::Effective, capability).is_ok();
        Self(lowered.then_some(capability))
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        if let Some(capability) = self.0
            && let Err(error) = caps::raise(None, CapSet::Effective, capability)
        {
            log::warn!("cannot use {capability} again: {error}");
        }
    }
}

/// The system's error number at the root of an error.
fn os_error(error: &ProgramError) -> Option<i32> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error();
        }
        source = error.source();
    }
    None
}

/// An error with its cause, and without the verifier's words, which may be many.
fn brief(error: &ProgramError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    if let Some(end) = text.find(" Verifier output") {
        text.truncate(end);
    }
    text
}

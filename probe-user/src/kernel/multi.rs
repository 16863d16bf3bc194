//! Programs at the entry of functions by way of `uprobe_multi` links, which Linux has from 6.6 on.
//!
//! `CAP_BPF` and `CAP_PERFMON` are enough for these, where a perf event on a function asks for
//! `CAP_SYS_ADMIN` in the kernels of today. aya 0.14 cannot load a program for this kind of link, so
//! two calls of `bpf(2)` are made here; the programs are relocated by aya's own reader of objects.

use std::{
    collections::HashSet,
    ffi::CString,
    fs::File,
    io,
    mem::{offset_of, size_of, zeroed},
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use aya_obj::{
    Function, Object,
    generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn, bpf_prog_type},
};

/// Room for the verifier's words about a refused program, in bytes.
const VERIFIER_LOG: usize = 1 << 18;
/// The kernel's name of a program, with the NUL at its end.
const NAME_LEN: usize = 16;

/// Programs that were loaded for `uprobe_multi` links.
#[derive(Debug)]
pub(super) struct Multi {
    programs: Vec<(&'static str, OwnedFd)>,
}

/// Why the programs are not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum MultiError {
    /// The object does not hold together.
    #[error("the object of the programs: {0}")]
    Object(String),
    /// The kernel refused a program.
    #[error("the program {0}: {1}")]
    Refused(&'static str, io::Error),
}

impl Multi {
    /// Loads the programs called `names` from `object`, with the maps of `ebpf`, which was loaded
    /// from the same object and must still have all of them.
    pub(super) fn load(
        ebpf: &Ebpf,
        object: &[u8],
        names: &[&'static str],
    ) -> Result<Self, MultiError> {
        let object = relocated(ebpf, object)?;
        let load = |name: &'static str| {
            let program = object.programs.get(name);
            let function = program.and_then(|one| object.functions.get(&one.function_key()));
            let (Some(program), Some(function)) = (program, function) else {
                return Err(MultiError::Object(format!("no program named {name}")));
            };
            let fd = load(name, &program.license, function)
                .map_err(|error| MultiError::Refused(name, error))?;
            Ok((name, fd))
        };
        let programs = names.iter().copied().map(load);
        Ok(Self {
            programs: programs.collect::<Result<_, _>>()?,
        })
    }

    /// Has a program run at the entry of the function that begins at `offset` of `file`, in every
    /// process. Closing the link detaches it.
    ///
    /// # Errors
    /// `EINVAL` from a kernel that does not know such links, `EPERM` for want of a capability.
    pub(super) fn attach(&self, program: &str, file: &File, offset: u64) -> io::Result<OwnedFd> {
        let found = self.programs.iter().find(|(name, _)| *name == program);
        let Some((_, program)) = found else {
            return Err(io::ErrorKind::NotFound.into());
        };
        // The very file, whatever became of its name and whichever mount namespace has it.
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let mut attr = empty();
        let link = {
            // SAFETY: all members are numbers, so what they share has a value of each type.
            let link = unsafe { &mut attr.link_create };
            link.__bindgen_anon_1.prog_fd = raw(program.as_raw_fd());
            link.attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
            // SAFETY: as above.
            unsafe { &mut link.__bindgen_anon_3.uprobe_multi }
        };
        link.path = path.as_ptr() as u64;
        link.offsets = (&raw const offset) as u64;
        link.cnt = 1;
        // SAFETY: the path ends with NUL and there is one offset; both live until the call is over.
        unsafe { bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr) }
    }
}

/// The object with the maps' descriptors and the called functions in its programs.
fn relocated(ebpf: &Ebpf, object: &[u8]) -> Result<Object, MultiError> {
    let wrong = |error: &dyn std::error::Error| MultiError::Object(error.to_string());
    let mut object = Object::parse(object).map_err(|error| wrong(&error))?;
    let texts: HashSet<usize> = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    let maps = std::mem::take(&mut object.maps);
    let descriptors = maps.iter().map(|(name, map)| {
        let fd = ebpf
            .map(name)
            .and_then(data)
            .map(|data| data.fd().as_fd().as_raw_fd());
        Some((name.as_str(), fd?, map))
    });
    let descriptors: Option<Vec<(&str, RawFd, &aya_obj::Map)>> = descriptors.collect();
    let descriptors =
        descriptors.ok_or_else(|| MultiError::Object("a map is not there any more".into()))?;
    object
        .relocate_maps(descriptors.into_iter(), &texts)
        .map_err(|error| wrong(&error))?;
    object
        .relocate_calls(&texts)
        .map_err(|error| wrong(&error))?;
    Ok(object)
}

/// The map behind any of the types that the programs have.
const fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::PerfEventArray(data)
        | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

fn load(name: &str, license: &CString, function: &Function) -> io::Result<OwnedFd> {
    let refused = match load_with(name, license, &function.instructions, &mut []) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    if log::log_enabled!(log::Level::Debug) {
        let mut words = vec![0; VERIFIER_LOG];
        let _ = load_with(name, license, &function.instructions, &mut words);
        let words = words.split(|byte| *byte == 0).next().unwrap_or_default();
        log::debug!(
            "the kernel refused {name}: {}",
            String::from_utf8_lossy(words)
        );
    }
    Err(refused)
}

fn load_with(
    name: &str,
    license: &CString,
    instructions: &[bpf_insn],
    words: &mut [u8],
) -> io::Result<OwnedFd> {
    let mut attr = empty();
    // SAFETY: all members are numbers, so what they share has a value of each type.
    let program = unsafe { &mut attr.__bindgen_anon_3 };
    program.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    program.expected_attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
    program.insns = instructions.as_ptr() as u64;
    program.insn_cnt = u32::try_from(instructions.len()).map_err(io::Error::other)?;
    program.license = license.as_ptr() as u64;
    for (to, from) in program
        .prog_name
        .iter_mut()
        .take(NAME_LEN - 1)
        .zip(name.bytes())
    {
        *to = std::ffi::c_char::from_ne_bytes([from]);
    }
    if !words.is_empty() {
        program.log_level = 1;
        program.log_buf = words.as_mut_ptr() as u64;
        program.log_size = u32::try_from(words.len()).map_err(io::Error::other)?;
    }
    // SAFETY: the instructions, the license and the room for words live until the call is over, and
    // their lengths are true; the license ends with NUL.
    unsafe { bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr) }
}

/// No attribute is set.
fn empty() -> bpf_attr {
    // SAFETY: a union of structures of numbers, for which zero is a value, padding included.
    unsafe { zeroed() }
}

/// A descriptor as the kernel's attributes have it.
fn raw(fd: RawFd) -> u32 {
    u32::try_from(fd).unwrap_or(u32::MAX)
}

/// One call that gives a descriptor.
///
/// # Safety
/// Every address in `attr` must be one that the kernel may use as the command does.
unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are as long as is said, and the caller answers for the addresses in them.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    match RawFd::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor, and nobody else has it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

// What this file relies on of the kernel's structure (`include/uapi/linux/bpf.h`).
const _: () = assert!(
    offset_of!(
        aya_obj::generated::bpf_attr__bindgen_ty_4,
        expected_attach_type
    ) == 68
);
const _: () = assert!(bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32 == 48);

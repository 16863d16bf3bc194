//! The filter of system calls: what is not on a list is refused with `EPERM`.
//!
//! Refused and not killed, for a list can miss a call that another kernel, C library or file system makes
//! the agent try: an agent that does without one thing and says so is of more use than a dead one, and to
//! whoever got into it the call is as closed. Compiled into instructions by `seccompiler`, which also kills
//! what calls by another architecture's numbers.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

use super::calls::{Calls, EVERY};

/// Flags by which `clone` makes namespaces; with none of them, and this one, it makes a thread.
const NEW_NAMESPACES: c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Commands of `bpf`, as `linux/bpf.h` has them.
mod bpf {
    pub const MAP_LOOKUP_ELEM: u64 = 1;
    pub const MAP_UPDATE_ELEM: u64 = 2;
    pub const MAP_DELETE_ELEM: u64 = 3;
    pub const MAP_GET_NEXT_KEY: u64 = 4;
    pub const PROG_LOAD: u64 = 5;
    pub const OBJ_GET_INFO_BY_FD: u64 = 15;
    pub const MAP_LOOKUP_AND_DELETE_ELEM: u64 = 21;
    pub const LINK_CREATE: u64 = 28;
}

/// Requests of `ioctl` to a perf event, as `linux/perf_event.h` has them.
mod perf {
    pub const ENABLE: u64 = 0x2400;
    pub const DISABLE: u64 = 0x2401;
    pub const SET_BPF: u64 = 0x4004_2408;
}

/// Requests of `ioctl` to files and terminals, as `asm-generic/ioctls.h` has them.
mod file {
    pub const TCGETS: u64 = 0x5401;
    pub const TIOCGWINSZ: u64 = 0x5413;
    pub const FIONREAD: u64 = 0x541b;
    pub const FIONBIO: u64 = 0x5421;
    pub const FIOCLEX: u64 = 0x5451;
}

/// Allows the calling thread, and what it starts, these calls and no others.
pub(super) fn install(calls: &[Calls]) -> Result<(), String> {
    for program in compile(calls).map_err(|error| error.to_string())? {
        apply_filter(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Two filters, both of which have to allow a call: the list, and the answer to `clone3`.
fn compile(calls: &[Calls]) -> Result<[BpfProgram; 2], BackendError> {
    let errno = |errno: c_int| SeccompAction::Errno(errno.unsigned_abs());
    let filter = |rules, otherwise, matching| -> Result<BpfProgram, BackendError> {
        let arch = std::env::consts::ARCH.try_into()?;
        SeccompFilter::new(rules, otherwise, matching, arch)?.try_into()
    };
    // Its flags are in memory, where no filter sees them: without it the C library takes `clone`.
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    Ok([
        filter(clone3, SeccompAction::Allow, errno(libc::ENOSYS))?,
        filter(rules(calls)?, errno(libc::EPERM), SeccompAction::Allow)?,
    ])
}

fn rules(calls: &[Calls]) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, BackendError> {
    let groups = calls.iter().map(|group| group.numbers());
    let numbers = groups.chain([EVERY]).flatten();
    numbers
        .map(|&number| Ok((number, arguments(number, calls)?)))
        .collect()
}

/// With which arguments a call is allowed: any of these, or all when there are none.
fn arguments(number: c_long, calls: &[Calls]) -> Result<Vec<SeccompRule>, BackendError> {
    let attaches = calls.contains(&Calls::Attach);
    let among = |argument: u8, values: &[u64]| {
        let rules = values
            .iter()
            .map(|&value| rule(&[(argument, EQUAL, value)]));
        rules.collect::<Result<Vec<_>, _>>()
    };
    let one = |conditions: &[(u8, SeccompCmpOp, u64)]| Ok(vec![rule(conditions)?]);
    match number {
        libc::SYS_bpf => {
            let mut commands = vec![
                bpf::MAP_LOOKUP_ELEM,
                bpf::MAP_UPDATE_ELEM,
                bpf::MAP_DELETE_ELEM,
                bpf::MAP_GET_NEXT_KEY,
                bpf::OBJ_GET_INFO_BY_FD,
                bpf::MAP_LOOKUP_AND_DELETE_ELEM,
            ];
            if attaches {
                commands.extend([bpf::PROG_LOAD, bpf::LINK_CREATE]);
            }
            among(0, &commands)
        }
        libc::SYS_clone => {
            let looked_at = bits(libc::CLONE_THREAD | NEW_NAMESPACES);
            one(&[(
                0,
                SeccompCmpOp::MaskedEq(looked_at),
                bits(libc::CLONE_THREAD),
            )])
        }
        libc::SYS_fcntl => among(
            1,
            &[
                libc::F_DUPFD_CLOEXEC,
                libc::F_GETFD,
                libc::F_SETFD,
                libc::F_GETFL,
                libc::F_SETFL,
                libc::F_OFD_GETLK,
                libc::F_OFD_SETLK,
            ]
            .map(bits),
        ),
        libc::SYS_ioctl => {
            let mut requests = vec![
                file::TCGETS,
                file::TIOCGWINSZ,
                file::FIONREAD,
                file::FIONBIO,
                file::FIOCLEX,
            ];
            if attaches {
                requests.extend([perf::ENABLE, perf::DISABLE, perf::SET_BPF]);
            }
            among(1, &requests)
        }
        // Nothing that was written becomes code.
        libc::SYS_mmap | libc::SYS_mprotect => {
            one(&[(2, SeccompCmpOp::MaskedEq(bits(libc::PROT_EXEC)), 0)])
        }
        libc::SYS_prctl => among(0, &[libc::PR_SET_NAME, libc::PR_CAPBSET_READ].map(bits)),
        // To read one's own limits; a thread's stack is found by them.
        libc::SYS_prlimit64 => one(&[(0, EQUAL, 0), (2, EQUAL, 0)]),
        libc::SYS_setns => one(&[(1, EQUAL, bits(libc::CLONE_NEWNET))]),
        libc::SYS_socket => {
            let netlink = [
                (0, EQUAL, bits(libc::AF_NETLINK)),
                (2, EQUAL, bits(libc::NETLINK_SOCK_DIAG)),
            ];
            let mut rules = among(0, &[libc::AF_INET, libc::AF_INET6, libc::AF_UNIX].map(bits))?;
            rules.push(rule(&netlink)?);
            Ok(rules)
        }
        libc::SYS_socketpair => among(0, &[bits(libc::AF_UNIX)]),
        // How a program ends itself; whoever else is signalled takes CAP_KILL or the same user.
        libc::SYS_tgkill => one(&[(0, EQUAL, std::process::id().into())]),
        _ => Ok(Vec::new()),
    }
}

const EQUAL: SeccompCmpOp = SeccompCmpOp::Eq;

/// Every condition holds. Arguments are compared by the 32 bits that the kernel takes, but the pointer of
/// `prlimit64`, which must be null.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(argument, operator, value)| {
        let length = match (argument, value) {
            (2, 0) if *operator == EQUAL => SeccompCmpArgLen::Qword,
            _ => SeccompCmpArgLen::Dword,
        };
        SeccompCondition::new(*argument, length, operator.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

fn bits(value: c_int) -> u64 {
    value.cast_unsigned().into()
}

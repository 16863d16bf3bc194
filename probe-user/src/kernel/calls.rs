//! The numbers of the system calls that the programs follow, on this machine.

use std::ffi::c_long;

use nginx_probe_ebpf::call::{CALLS, Call, Table};

/// Every call that is followed. Those that newer architectures do without are left out there.
const FOLLOWED: &[(c_long, &str, Call)] = &[
    (libc::SYS_accept4, "accept4", Call::Accept),
    (libc::SYS_accept, "accept", Call::Accept),
    (libc::SYS_close, "close", Call::Close),
    (libc::SYS_connect, "connect", Call::Connect),
    (libc::SYS_epoll_ctl, "epoll_ctl", Call::EpollControl),
    (libc::SYS_epoll_pwait, "epoll_pwait", Call::Wait),
    (libc::SYS_getsockopt, "getsockopt", Call::GetOption),
    (libc::SYS_socket, "socket", Call::Socket),
    (libc::SYS_recvfrom, "recvfrom", Call::Receive),
    (libc::SYS_read, "read", Call::Read),
    (libc::SYS_readv, "readv", Call::ReadVector),
    (libc::SYS_sendto, "sendto", Call::Send),
    (libc::SYS_write, "write", Call::Write),
    (libc::SYS_writev, "writev", Call::WriteVector),
    (libc::SYS_openat, "openat", Call::PathAt),
    (libc::SYS_mkdirat, "mkdirat", Call::PathAt),
    (libc::SYS_unlinkat, "unlinkat", Call::PathAt),
    (libc::SYS_newfstatat, "newfstatat", Call::PathAt),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait", Call::Wait),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, "open", Call::Path),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir", Call::Path),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink", Call::Path),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename", Call::Path),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, "stat", Call::Path),
];

/// Calls that are not followed but fail in ways that matter.
const OTHERS: &[(c_long, &str)] = &[
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_pwritev, "pwritev"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_brk, "brk"),
    (libc::SYS_mremap, "mremap"),
    (libc::SYS_fstat, "fstat"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fallocate, "fallocate"),
    (libc::SYS_linkat, "linkat"),
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_shutdown, "shutdown"),
    (libc::SYS_setsockopt, "setsockopt"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_listen, "listen"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_faccessat, "faccessat"),
    (libc::SYS_readlinkat, "readlinkat"),
    (libc::SYS_utimensat, "utimensat"),
    (libc::SYS_fchmod, "fchmod"),
    (libc::SYS_fchmodat, "fchmodat"),
    (libc::SYS_splice, "splice"),
    (libc::SYS_pipe2, "pipe2"),
    (libc::SYS_eventfd2, "eventfd2"),
    (libc::SYS_io_submit, "io_submit"),
    (libc::SYS_socketpair, "socketpair"),
    (libc::SYS_dup, "dup"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_kill, "kill"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lstat, "lstat"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, "rmdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, "chmod"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, "access"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_link, "link"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, "readlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_dup2, "dup2"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_pipe, "pipe"),
];

/// What the programs do with each system call, by its number.
#[must_use]
pub fn table() -> Table {
    let mut table = [0; CALLS];
    for (number, _, call) in FOLLOWED {
        if let Some(entry) = usize::try_from(*number)
            .ok()
            .and_then(|number| table.get_mut(number))
        {
            *entry = *call as u8;
        }
    }
    table
}

/// The number of `connect`, whose failures another call tells of.
pub const CONNECT: u32 = {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a system call's number"
    )]
    let number = libc::SYS_connect as u32;
    number
};

/// Every name of a system call.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let followed = FOLLOWED.iter().map(|(_, name, _)| *name);
    followed.chain(OTHERS.iter().map(|(_, name)| *name))
}

/// A system call's name, `other` for one that nginx has no use for.
#[must_use]
pub fn name(number: u32) -> &'static str {
    let followed = FOLLOWED.iter().map(|(number, name, _)| (number, name));
    followed
        .chain(OTHERS.iter().map(|(number, name)| (number, name)))
        .find(|(known, _)| **known == c_long::from(number))
        .map_or("other", |(_, name)| name)
}

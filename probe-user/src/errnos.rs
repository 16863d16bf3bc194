//! System calls of workers that fail: what the kernel half counts and tells of.

use nginx_probe_ebpf::record;
use serde::{Deserialize, Serialize};

use crate::{
    kernel::calls,
    names::{self, Name},
    requests,
};

/// A call that failed in a way that makes requests fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The worker.
    pub pid: u32,
    /// The call's name.
    #[serde(deserialize_with = "names::one")]
    pub call: Name,
    /// The error's name.
    #[serde(deserialize_with = "names::one")]
    pub errno: Name,
    /// The path or the socket address that it was about.
    pub about: Option<String>,
    /// The descriptor that it was about.
    pub descriptor: Option<u32>,
    /// Others of the same worker that were not told of, since it began: there were too many.
    pub suppressed: u64,
    /// So many of them.
    pub count: u64,
}

const PATH: u32 = 1;
const ADDRESS: u32 = 2;

impl Failure {
    /// What a record says.
    #[must_use]
    pub fn of(record: &record::Errno) -> Self {
        let about = match record.about_kind {
            PATH => record
                .about
                .split(|byte| *byte == 0)
                .next()
                .filter(|path| !path.is_empty())
                .map(|path| path.escape_ascii().to_string()),
            ADDRESS => requests::address(&record.about),
            _ => None,
        };
        Self {
            pid: record.header.pid,
            call: calls::name(record.call),
            errno: name(record.errno),
            about,
            descriptor: u32::try_from(record.descriptor).ok(),
            suppressed: record.suppressed,
            count: 1,
        }
    }
}

/// An error's symbolic name, `other` for a number that has none.
#[must_use]
pub fn name(number: u32) -> &'static str {
    let Ok(number) = i32::try_from(number) else {
        return "other";
    };
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map_or("other", |(_, name)| name)
}

/// Every name of an error.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(_, name)| *name)
}

macro_rules! names {
    ($($name:ident)*) => {
        /// The errors that the calls of a server give; a closed list, for they become labels.
        const NAMES: &[(i32, &str)] = &[$((libc::$name, stringify!($name)),)*];
    };
}

names! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST
    EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE
    ERANGE EDEADLK ENAMETOOLONG ENOSYS ENOTEMPTY ELOOP EOVERFLOW EILSEQ EUSERS ENOTSOCK
    EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT EOPNOTSUPP EAFNOSUPPORT
    EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS
    EISCONN ENOTCONN ESHUTDOWN ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS
    ESTALE EDQUOT ECANCELED EPROTO
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn errors_go_by_their_symbols() {
        assert_eq!(name(24), "EMFILE");
        assert_eq!(name(28), "ENOSPC");
        assert_eq!(name(0), "other");
        assert_eq!(name(u32::MAX), "other");
    }
}

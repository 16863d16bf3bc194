//! What the messages of some classes say, piece by piece.

use memchr::memmem;

use super::line::{Line, number};

/// How a child of the master ended, as the master's line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The child.
    pub pid: u32,
    /// How.
    pub ended: Ended,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By this signal.
    Signal {
        /// Its number.
        signal: u8,
        /// A core was written.
        core: bool,
    },
    /// With this exit code.
    Code(u8),
    /// With this exit code, and nothing will replace it.
    Fatal(u8),
}

impl<'a> Line<'a> {
    /// The path between the quotes of `open() "…" failed` and its kin; the second of two.
    #[must_use]
    pub fn path(&self) -> Option<&'a [u8]> {
        let of_files = [
            "open_",
            "mkdir_",
            "write_",
            "copy_",
            "dav_",
            "try_files_denied",
            "mp4_failed",
            "index_",
            "log_",
            "rename_",
            "read_failed",
            "not_a_file",
            "unlink_",
            "cache_file",
        ];
        if !of_files
            .iter()
            .any(|prefix| self.class.name.starts_with(prefix))
        {
            return None;
        }
        let open = match memmem::rfind(self.message, b"\" to \"") {
            // Where a file was to be put.
            Some(to) => to + b"\" to ".len(),
            None => memchr::memchr(b'"', self.message)?,
        };
        let after = self.message.get(open + 1..)?;
        after.get(..memchr::memrchr(b'"', after)?)
    }

    /// Which child ended, and how.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        let at = memmem::find(self.message, b" process ")?;
        let (pid, rest) = number(self.message.get(at + b" process ".len()..)?)?;
        let ended = if let Some(rest) = rest.strip_prefix(b" exited on signal ") {
            let (signal, rest) = number(rest)?;
            Ended::Signal {
                signal: u8::try_from(signal).ok()?,
                core: rest == b" (core dumped)",
            }
        } else if let Some(rest) = rest.strip_prefix(b" exited with code ") {
            Ended::Code(u8::try_from(number(rest)?.0).ok()?)
        } else {
            let rest = rest.strip_prefix(b" exited with fatal code ")?;
            Ended::Fatal(u8::try_from(number(rest)?.0).ok()?)
        };
        Some(Exit {
            pid: u32::try_from(pid).ok()?,
            ended,
        })
    }

    /// The zone of a limit, or the shared zone that is full or was locked.
    #[must_use]
    pub fn zone(&self) -> Option<&'a [u8]> {
        [
            &b"zone \""[..],
            b"cache \"",
            b"limit_conn_zone \"",
            b"limit_req zone \"",
        ]
        .iter()
        .find_map(|mark| after_mark(self.message, mark))
        .filter(|_| {
            ["limit", "zone", "tls_sessions", "slab", "ocsp_cache"]
                .iter()
                .any(|prefix| self.class.name.starts_with(prefix))
        })
    }

    /// The name that could not be resolved.
    #[must_use]
    pub fn unresolved(&self) -> Option<&'a [u8]> {
        match self.class.name {
            "resolve_failed" => self.message.split(|byte| *byte == b' ').next(),
            "resolver_missing" => self
                .message
                .strip_prefix(b"no resolver defined to resolve "),
            _ => None,
        }
    }

    /// The address (or, without live servers, the name) in `upstream`: `127.0.0.1:80`,
    /// `unix:/run/app.sock`.
    #[must_use]
    pub fn upstream_address(&self) -> Option<&'a [u8]> {
        let upstream = self.upstream?;
        let at = memmem::find(upstream, b"://")?;
        let address = upstream.get(at + 3..)?;
        let end = if let Some(path) = address.strip_prefix(b"unix:") {
            memchr::memchr(b':', path).map_or(address.len(), |colon| colon + b"unix:".len())
        } else {
            memchr::memchr2(b'/', b'?', address).unwrap_or(address.len())
        };
        address.get(..end)
    }

    /// The file and line of a refused or doubtful configuration: ` in FILE:LINE` at the end.
    #[must_use]
    pub fn config_place(&self) -> Option<(&'a [u8], u32)> {
        let at = memmem::rfind(self.message, b" in ")?;
        let place = self.message.get(at + b" in ".len()..)?;
        let colon = memchr::memrchr(b':', place)?;
        let (line, rest) = number(place.get(colon + 1..)?)?;
        (self.class.name.starts_with("config_") && rest.is_empty())
            .then_some((place.get(..colon)?, u32::try_from(line).ok()?))
    }
}

/// What stands between `mark` and the next quote.
fn after_mark<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(text, mark)?;
    let after = text.get(at + mark.len()..)?;
    after.get(..memchr::memchr(b'"', after)?)
}

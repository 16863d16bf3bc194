//! The records that the programs put into the ring buffer.
//!
//! Every record begins with a [`Header`]. Fields are plain numbers and byte arrays, padding is
//! written out, and sizes are asserted, so that both sides agree to the byte. The agent decodes
//! with [`Record::decode`], which takes nothing for granted: the ring buffer is ours, but a
//! truncated read must be an error and never a panic.

use core::mem::size_of;

/// What a record tells, and the index of its loss counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// A tracked process forked.
    Fork = 0,
    /// A process with a watched name, or a tracked one, replaced its program.
    Exec = 1,
    /// A tracked process ended.
    Exit = 2,
    /// A signal was sent to a tracked process.
    Signal = 3,
    /// A crash signal was delivered to a tracked process that does not handle it.
    Crash = 4,
    /// The OOM killer chose a tracked process.
    Oom = 5,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::Signal,
        Self::Crash,
        Self::Oom,
    ];

    /// The kind's name, as in the metric label `kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Crash => "crash",
            Self::Oom => "oom",
        }
    }
}

/// Length of a process's name in the kernel, with its final NUL (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;
/// Bytes of user stack that a crash record can hold.
pub const STACK_LEN: usize = 16 * 1024;
/// The stack is copied in pieces of this size, so that its end does not cost the rest.
pub const STACK_PIECE: usize = 1024;

/// Begins every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// A [`Kind`], as its number.
    pub kind: u32,
    /// The process (thread group) that the record is about, in the initial pid namespace.
    pub pid: u32,
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub time_ns: u64,
}

/// A process was born. `header.pid` is the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Fork {
    /// See [`Header`].
    pub header: Header,
    /// The process that forked.
    pub parent: u32,
    /// Zero.
    pub padding: u32,
}

/// A process replaced its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Exec {
    /// See [`Header`].
    pub header: Header,
    /// The new name, padded with NUL.
    pub comm: [u8; COMM_LEN],
    /// 1 when the name is watched, so the process stays tracked; 0 when tracking ended with it.
    pub watched: u32,
    /// Zero.
    pub padding: u32,
}

/// A process ended: its last thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Exit {
    /// See [`Header`].
    pub header: Header,
    /// As `wait` would give it: the signal in the low 7 bits, 0x80 for a core dump, else the exit
    /// code in bits 8 to 15.
    pub status: u32,
    /// Zero.
    pub padding: u32,
}

/// A signal was sent to `header.pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Signal {
    /// See [`Header`].
    pub header: Header,
    /// Its number.
    pub signal: u32,
    /// `si_code`: zero or less when a process sent it, positive when the kernel did.
    pub code: i32,
    /// The process in whose context it was sent, in the initial pid namespace.
    pub sender_pid: u32,
    /// Its real user, in the initial user namespace.
    pub sender_uid: u32,
    /// Its name, padded with NUL.
    pub sender_comm: [u8; COMM_LEN],
}

/// A process is about to die of a signal that says it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Crash {
    /// See [`Header`].
    pub header: Header,
    /// The signal's number.
    pub signal: u32,
    /// `si_code`.
    pub code: i32,
    /// `si_addr`: what the process touched; meaningful when `code` is positive.
    pub address: u64,
    /// Instruction pointer; zero when the kernel could not tell.
    pub ip: u64,
    /// Stack pointer; zero when the kernel could not tell.
    pub sp: u64,
    /// Frame pointer register.
    pub fp: u64,
    /// Link register; zero where there is none.
    pub lr: u64,
    /// How many bytes of `stack` were read.
    pub stack_len: u32,
    /// Zero.
    pub padding: u32,
    /// The user stack from `sp` up.
    pub stack: [u8; STACK_LEN],
}

/// The OOM killer marked a process as its victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Oom {
    /// See [`Header`].
    pub header: Header,
    /// Resident pages, as far as the kernel's quick counters tell; zero when unknown.
    pub rss_pages: u64,
}

const _: () = {
    assert!(size_of::<Header>() == 16);
    assert!(size_of::<Fork>() == 24);
    assert!(size_of::<Exec>() == 40);
    assert!(size_of::<Exit>() == 24);
    assert!(size_of::<Signal>() == 48);
    assert!(size_of::<Crash>() == 72 + STACK_LEN);
    assert!(size_of::<Oom>() == 24);
    assert!(STACK_LEN.is_multiple_of(STACK_PIECE));
};

/// A decoded record. The crash's stack stays in the buffer that was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the record of the same name")]
pub enum Record<'a> {
    Fork(Fork),
    Exec(Exec),
    Exit(Exit),
    Signal(Signal),
    Crash(CrashView<'a>),
    Oom(Oom),
}

/// A [`Crash`] without its copy of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of `Crash`")]
pub struct CrashView<'a> {
    pub header: Header,
    pub signal: u32,
    pub code: i32,
    pub address: u64,
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    pub lr: u64,
    pub stack: &'a [u8],
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They end before the record does.
    Truncated,
    /// They are more than the record.
    TrailingBytes,
    /// No [`Kind`] has that number.
    UnknownKind(u32),
    /// A length inside the record is more than the record can hold.
    BadLength(u32),
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => f.write_str("the record is cut short"),
            Self::TrailingBytes => f.write_str("the record is longer than its kind"),
            Self::UnknownKind(kind) => write!(f, "no record has the kind {kind}"),
            Self::BadLength(length) => write!(f, "the record claims {length} bytes of stack"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl<'a> Record<'a> {
    /// Decodes one record, which must fill `bytes` exactly.
    ///
    /// # Errors
    /// When the bytes are too few, too many, or of no known kind.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader { bytes };
        let header = Header {
            kind: reader.u32()?,
            pid: reader.u32()?,
            time_ns: reader.u64()?,
        };
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| *kind as u32 == header.kind)
            .ok_or(DecodeError::UnknownKind(header.kind))?;
        let record = match kind {
            Kind::Fork => Self::Fork(Fork {
                header,
                parent: reader.u32()?,
                padding: reader.u32()?,
            }),
            Kind::Exec => Self::Exec(Exec {
                header,
                comm: reader.array()?,
                watched: reader.u32()?,
                padding: reader.u32()?,
            }),
            Kind::Exit => Self::Exit(Exit {
                header,
                status: reader.u32()?,
                padding: reader.u32()?,
            }),
            Kind::Signal => Self::Signal(Signal {
                header,
                signal: reader.u32()?,
                code: reader.i32()?,
                sender_pid: reader.u32()?,
                sender_uid: reader.u32()?,
                sender_comm: reader.array()?,
            }),
            Kind::Crash => Self::Crash(reader.crash(header)?),
            Kind::Oom => Self::Oom(Oom {
                header,
                rss_pages: reader.u64()?,
            }),
        };
        if reader.bytes.is_empty() {
            Ok(record)
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }

    /// The part that every record has.
    #[must_use]
    pub const fn header(&self) -> &Header {
        match self {
            Self::Fork(record) => &record.header,
            Self::Exec(record) => &record.header,
            Self::Exit(record) => &record.header,
            Self::Signal(record) => &record.header,
            Self::Crash(record) => &record.header,
            Self::Oom(record) => &record.header,
        }
    }

    /// The record's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Fork(_) => Kind::Fork,
            Self::Exec(_) => Kind::Exec,
            Self::Exit(_) => Kind::Exit,
            Self::Signal(_) => Kind::Signal,
            Self::Crash(_) => Kind::Crash,
            Self::Oom(_) => Kind::Oom,
        }
    }
}

/// Takes numbers off the front of a buffer, in the machine's own byte order.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Truncated)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }

    fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_ne_bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_ne_bytes)
    }

    fn crash(&mut self, header: Header) -> Result<CrashView<'a>, DecodeError> {
        let (signal, code) = (self.u32()?, self.i32()?);
        let (address, ip, sp) = (self.u64()?, self.u64()?, self.u64()?);
        let (fp, lr) = (self.u64()?, self.u64()?);
        let (stack_len, _padding) = (self.u32()?, self.u32()?);
        let stack = self.take(STACK_LEN)?;
        let stack = stack
            .get(..stack_len as usize)
            .ok_or(DecodeError::BadLength(stack_len))?;
        Ok(CrashView {
            header,
            signal,
            code,
            address,
            ip,
            sp,
            fp,
            lr,
            stack,
        })
    }
}

#[cfg(test)]
mod tests;

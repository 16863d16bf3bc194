//! What the sources saw of one failed answer, each as a sign that the rules know.

use super::{Cause, cases::Case};
use crate::{
    access_log::how::How,
    error_log::Class,
    facts::{Logged, Noted, Served, Sources},
    requests::{Answer, Origin},
};

/// One thing that a source saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Sign {
    // The kernel half, of the answer's own bytes.
    /// The last upstream's status was passed on.
    PassedOn,
    /// The last upstream failed, and what the client was sent could not be read.
    Unseen,
    /// The last upstream's status was replaced by a failure.
    Replaced,
    /// The last upstream failed and the client was sent something better.
    Masked,
    /// The last upstream could not be reached.
    Refused,
    /// The last upstream took too long.
    TimedOut,
    /// The last upstream closed, or its answer was not valid.
    Closed,
    /// No upstream had a part in it.
    Own,
    /// nginx itself began an error answer with that status.
    Made,
    /// nginx began none, which would have been seen.
    NotMade,
    /// An upstream was asked whose answers nobody can read.
    Unread,
    /// The answer began well, and ended too early or did not end.
    Late,
    /// nginx closed the connection and sent nothing.
    Cut,
    /// A call failed for want of a descriptor.
    NoDescriptor,
    /// A call failed for want of space on a disk.
    NoSpace,
    /// A call failed for want of memory.
    NoMemory,
    /// A call failed for want of a permission.
    NoPermission,
    // A message for the error log: where it was made, or in the log.
    SaidAuth,
    SaidLua,
    SaidDescriptor,
    SaidSpace,
    SaidMemory,
    SaidSlots,
    SaidCycle,
    SaidConfig,
    SaidPermission,
    SaidLimit,
    SaidModule,
    SaidRule,
    /// A message that no class knows, or that a script wrote.
    SaidOther,
    SaidRefused,
    SaidTimeout,
    SaidClosed,
    /// A message would have been seen, and there was none.
    Silent,
    /// The kernel half would have told of an answer that nginx made, or that it could read, and it
    /// told of none.
    Unrecorded,
    // The access log.
    LoggedPassedOn,
    LoggedReplaced,
    LoggedMasked,
    LoggedRefused,
    LoggedTimedOut,
    LoggedClosed,
    /// The upstream gave no answer; why the format does not tell.
    LoggedNoAnswer,
    /// The upstream's own, or nginx's about it: the format does not tell.
    LoggedEither,
    /// It is no failure by its status, and the format does not tell of upstreams.
    LoggedBetter,
    /// nginx gave up on the way to an upstream.
    LoggedExhausted,
    /// No upstream had a part in it.
    LoggedOwn,
    /// It came from a cache.
    LoggedCached,
    /// The format does not tell.
    LoggedUntold,
    // The configuration.
    /// It may answer such a request with that very status.
    Configured,
    /// It answers each such request so, and nothing else there does.
    Certain,
    /// An upstream answers such a request whose answers nobody can read.
    AsksUnread,
    /// A cache may answer such a request.
    Cached,
    /// A script answers such a request.
    Scripted,
}

/// A set of signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs(u64);

impl Signs {
    pub(super) const fn with(self, sign: Sign) -> Self {
        Self(self.0 | 1 << sign as u8)
    }

    pub(super) const fn has(self, sign: Sign) -> bool {
        self.0 & 1 << sign as u8 != 0
    }

    pub(super) fn any(self, of: &[Sign]) -> bool {
        of.iter().any(|sign| self.has(*sign))
    }

    pub(super) fn all(self, of: &[Sign]) -> bool {
        of.iter().all(|sign| self.has(*sign))
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The signs of one answer, by who saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub kernel: Signs,
    pub error_log: Signs,
    pub access_log: Signs,
    /// What follows from the configuration, and from what nobody said.
    pub inferred: Signs,
}

impl Seen {
    pub(super) const fn all(self) -> Signs {
        self.kernel
            .and(self.error_log)
            .and(self.access_log)
            .and(self.inferred)
    }
}

/// What the kernel half's record of an answer says, that was sent with `status`.
pub(super) fn of_answer(
    answer: &Answer,
    status: u16,
    logged: Option<&Logged>,
    sources: Sources,
) -> Signs {
    let mut signs = Signs::default();
    signs = match origin(answer, status, logged) {
        Some(Origin::Upstream) => signs.with(Sign::PassedOn),
        Some(Origin::Unseen) => signs.with(Sign::Unseen),
        Some(Origin::Unread) => signs.with(Sign::Unread),
        Some(Origin::Intercepted) => signs.with(Sign::Replaced),
        Some(Origin::Masked) => signs.with(Sign::Masked),
        Some(Origin::Refused) => signs.with(Sign::Refused),
        Some(Origin::TimedOut) => signs.with(Sign::TimedOut),
        Some(Origin::Closed) => signs.with(Sign::Closed),
        Some(Origin::Own) => signs.with(Sign::Own),
        Some(Origin::Saved) | None => signs,
    };
    let failed = status >= SERVER_ERROR;
    if answer.made == Some(status) {
        signs = signs.with(Sign::Made);
    } else if failed && answer.made.is_none() && sources.messages && !answer.opaque {
        signs = signs.with(Sign::NotMade);
        // It is one of theirs, then.
        if answer
            .attempts
            .iter()
            .any(|one| one.status() == Some(status))
        {
            signs = signs.with(Sign::PassedOn);
        }
    }
    if answer.late {
        signs = signs.with(Sign::Late);
    }
    if answer.cut {
        signs = signs.with(Sign::Cut);
    }
    signs = match answer.failed {
        Some((_, "EMFILE" | "ENFILE")) => signs.with(Sign::NoDescriptor),
        Some((_, "ENOSPC" | "EDQUOT" | "EROFS")) => signs.with(Sign::NoSpace),
        Some((_, "ENOMEM" | "ENOBUFS")) => signs.with(Sign::NoMemory),
        Some((_, "EACCES" | "EPERM")) => signs.with(Sign::NoPermission),
        _ => signs,
    };
    match answer.explained() {
        Some(message) => signs.and(of_class(message.class)),
        None if answer.says_words() => signs.with(Sign::SaidOther),
        None => signs,
    }
}

/// Whose an answer was; nothing where a line of the access log knows better.
fn origin(answer: &Answer, status: u16, logged: Option<&Logged>) -> Option<Origin> {
    if answer.late {
        return None;
    }
    if !answer.opaque {
        return Some(answer.origin());
    }
    // Of a client that speaks HTTP/2, attempts may be another request's: a line that tells is better.
    let told = logged.is_some_and(|logged| logged.how != How::Untold);
    if told && !answer.attempts.is_empty() {
        return None;
    }
    if answer.made == Some(status) {
        // What nginx made it did not pass on.
        return Some(match answer.origin_of(status) {
            Origin::Upstream => Origin::Own,
            origin => origin,
        });
    }
    let theirs = answer.attempts.last().and_then(|last| last.status());
    // What the log has is another status than the upstream's.
    let replaced = logged.is_some() && theirs.is_some_and(|theirs| theirs != status);
    Some(match answer.origin() {
        Origin::Unseen if replaced => Origin::Intercepted,
        origin => origin,
    })
}

/// What a line of the access log says.
pub(super) fn of_line(logged: &Logged) -> Signs {
    if logged.status < SERVER_ERROR && logged.how == How::Untold {
        return Signs(0).with(Sign::LoggedBetter);
    }
    of_how(logged.how)
}

/// The same, of several.
pub(super) const fn of_how(how: How) -> Signs {
    Signs(0).with(match how {
        How::Upstream => Sign::LoggedPassedOn,
        How::Intercepted => Sign::LoggedReplaced,
        How::Masked => Sign::LoggedMasked,
        How::NoConnection => Sign::LoggedRefused,
        How::TimedOut => Sign::LoggedTimedOut,
        How::Closed => Sign::LoggedClosed,
        How::NoAnswer => Sign::LoggedNoAnswer,
        How::UpstreamOrNginx => Sign::LoggedEither,
        How::Exhausted => Sign::LoggedExhausted,
        How::Nginx | How::AfterAnswer => Sign::LoggedOwn,
        How::Cached => Sign::LoggedCached,
        How::Untold => Sign::LoggedUntold,
    })
}

/// What a message of the error log says about an answer that was sent with `status`.
pub(super) fn of_note(note: &Noted, status: u16) -> Signs {
    let signs = of_class(note.class);
    if note.class.cuts() && status < SERVER_ERROR {
        signs.with(Sign::Late)
    } else {
        signs
    }
}

/// What a message for the error log says.
pub(super) fn of_class(class: &Class) -> Signs {
    let said = match class.cause {
        Some(Cause::AuthRequest) => Sign::SaidAuth,
        Some(Cause::LuaError) => Sign::SaidLua,
        Some(Cause::FdExhaustion) => Sign::SaidDescriptor,
        Some(Cause::DiskFull) => Sign::SaidSpace,
        Some(Cause::MemoryExhaustion) => Sign::SaidMemory,
        Some(Cause::WorkerConnections) => Sign::SaidSlots,
        Some(Cause::RedirectCycle) => Sign::SaidCycle,
        Some(Cause::ConfigError) => Sign::SaidConfig,
        Some(Cause::PermissionDenied) => Sign::SaidPermission,
        Some(Cause::Limited) => Sign::SaidLimit,
        Some(Cause::UpstreamRefused) => Sign::SaidRefused,
        Some(Cause::UpstreamTimeout) => Sign::SaidTimeout,
        Some(Cause::UpstreamClosed) => Sign::SaidClosed,
        Some(Cause::ModuleError) => Sign::SaidModule,
        Some(Cause::DeniedByRule) => Sign::SaidRule,
        None if class.says_words() => Sign::SaidOther,
        _ => return Signs(0),
    };
    Signs(0).with(said)
}

/// What nobody said of an answer, though somebody would have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Absent {
    /// A message of nginx's.
    message: bool,
    /// A record of the kernel half.
    record: bool,
}

impl Absent {
    /// `said` when there is a message.
    pub(super) fn of(case: &Case, sources: Sources, said: bool) -> Self {
        let seen = case.answer.is_some();
        let followed = sources.requests && sources.messages;
        let heard = seen && sources.messages || case.is_matched() && sources.error_log;
        Self {
            message: !said && (heard || !seen && followed),
            record: !seen && followed,
        }
    }
}

/// What follows from there being no message, and from what the configuration says of the place.
pub(super) fn inferred(absent: Absent, made: bool, served: &Served) -> Signs {
    let mut signs = Signs::default();
    if absent.message {
        signs = signs.with(Sign::Silent);
    }
    if absent.record {
        signs = signs.with(Sign::Unrecorded);
    }
    // What a condition says may be so or not, and nothing tells whether it was: what else answers
    // there must be ruled out.
    let others = !served.certain && (served.scripted || !made && (served.opaque || served.cached));
    let configured = served.place.is_some() && !others;
    for (holds, sign) in [
        (configured, Sign::Configured),
        (configured && served.certain, Sign::Certain),
        (served.opaque, Sign::AsksUnread),
        (served.cached, Sign::Cached),
        (served.scripted && served.place.is_none(), Sign::Scripted),
    ] {
        if holds {
            signs = signs.with(sign);
        }
    }
    signs
}

const SERVER_ERROR: u16 = 500;

//! From what was seen of a failed answer to its cause: a table, read from the top.
//!
//! The first rule of which one proof is whole, and nothing speaks against it, gives the cause. Why
//! nginx failed by itself it says; where it does, that stands before what an attempt at an upstream
//! did that it may have made on the way (for `auth_request`, a mirror, a part of the answer). Of the
//! rest, what the kernel saw of the answer itself stands before what logs say of it, and both before
//! what a message says of an upstream, which may be about an earlier attempt of the same request.

#[allow(
    clippy::enum_glob_use,
    reason = "the table is read by people: it names nearly every sign, once or more"
)]
use super::signs::Sign::{self, *};
use super::{
    Cause, Confidence,
    signs::{Seen, Signs},
};

/// When a failed answer has a cause.
#[derive(Debug)]
pub(super) struct Rule {
    pub cause: Cause,
    /// Each of these alone proves it, when all of its signs are there.
    pub proof: &'static [&'static [Sign]],
    /// These do not prove it, and agree with it.
    pub support: &'static [Sign],
    /// With one of these it is not so.
    pub never: &'static [Sign],
}

/// The answer is the upstream's own, or hides its failure: nginx did not fail by itself.
const UPSTREAMS: &[Sign] = &[PassedOn, Masked, LoggedPassedOn, LoggedMasked, LoggedCached];
/// Likewise, or an error page stands in its place.
const REPLACED: &[Sign] = &[
    PassedOn,
    Masked,
    Replaced,
    LoggedPassedOn,
    LoggedMasked,
    LoggedCached,
    LoggedReplaced,
];
const OWN: &[Sign] = &[Own, Made, LoggedOwn, LoggedExhausted];

const fn rule(
    cause: Cause,
    proof: &'static [&'static [Sign]],
    support: &'static [Sign],
    never: &'static [Sign],
) -> Rule {
    Rule {
        cause,
        proof,
        support,
        never,
    }
}

#[rustfmt::skip]
pub(super) static RULES: &[Rule] = &[
    //   the cause                 what proves it                                    what agrees    what rules it out
    // An application's code inside nginx, and a question to another server, may fail for any reason.
    rule(Cause::AuthRequest,       &[&[SaidAuth]],                                   OWN,           &[]),
    rule(Cause::LuaError,          &[&[SaidLua]],                                    OWN,           &[]),
    // A good beginning of an answer that turned out to be none.
    rule(Cause::UpstreamClosed,    &[&[SaidClosed, Made, PassedOn], &[SaidClosed, Made, Replaced]], &[LoggedClosed], &[]),
    rule(Cause::UpstreamClosed,    &[&[SaidClosed, Made, Own], &[SaidClosed, Late]], &[LoggedClosed], &[]),
    // A part of it that could not be had.
    rule(Cause::UpstreamMasked,    &[&[SaidRefused, Late]],                          &[],           &[]),
    rule(Cause::UpstreamTimeout,   &[&[SaidTimeout, Late]],                          &[LoggedTimedOut], &[]),
    // The answer of a limit may be one page or another, as long as it is that answer.
    rule(Cause::Limited,           &[&[SaidLimit, Made]],                            OWN,           &[]),
    rule(Cause::Limited,           &[&[SaidLimit, LoggedPassedOn]],                  OWN,           &[PassedOn, Masked]),
    // Something ran out.
    rule(Cause::FdExhaustion,      &[&[Own, NoDescriptor], &[SaidDescriptor]],       OWN,           UPSTREAMS),
    rule(Cause::DiskFull,          &[&[Own, NoSpace], &[SaidSpace]],                 OWN,           UPSTREAMS),
    rule(Cause::MemoryExhaustion,  &[&[Own, NoMemory], &[SaidMemory]],               OWN,           UPSTREAMS),
    rule(Cause::WorkerConnections, &[&[SaidSlots]],                                  OWN,           UPSTREAMS),
    // The configuration.
    rule(Cause::RedirectCycle,     &[&[SaidCycle]],                                  OWN,           UPSTREAMS),
    // The page that should stand for an upstream's failure may itself be missing.
    rule(Cause::ConfigError,       &[&[SaidConfig]],                                 OWN,           REPLACED),
    rule(Cause::PermissionDenied,  &[&[SaidPermission]],                             OWN,           UPSTREAMS),
    rule(Cause::Limited,           &[&[SaidLimit]],                                  OWN,           UPSTREAMS),
    rule(Cause::ModuleError,       &[&[SaidModule]],                                 OWN,           UPSTREAMS),
    rule(Cause::DeniedByRule,      &[&[SaidRule]],                                   OWN,           UPSTREAMS),
    // The upstream's status, and what became of it.
    rule(Cause::UpstreamResponse,  &[&[PassedOn]],                                   &[LoggedPassedOn, LoggedEither], &[]),
    // Of an upstream that cannot be read: what nginx did not make it passed on. A script, or a `return` with a
    // text, answers without that too, and the upstream may have been a subrequest's.
    rule(Cause::UpstreamResponse,  &[&[Unread, NotMade]],                            &[LoggedPassedOn, LoggedEither], &[Certain, Scripted]),
    rule(Cause::UpstreamResponse,  &[&[LoggedCached], &[Own, NotMade, Cached]],      &[],           &[SaidOther]),
    rule(Cause::UpstreamIntercepted, &[&[Replaced]],                                 &[LoggedReplaced], &[SaidOther]),
    rule(Cause::UpstreamMasked,    &[&[Masked]],                                     &[LoggedMasked], &[]),
    // The upstream's failure, by what became of the connection.
    rule(Cause::UpstreamMasked,    &[&[LoggedBetter, SaidRefused], &[LoggedBetter, SaidTimeout], &[LoggedBetter, SaidClosed]], &[], &[Late]),
    rule(Cause::UpstreamRefused,   &[&[Refused]],                                    &[SaidRefused, LoggedRefused, LoggedNoAnswer, LoggedEither], &[]),
    rule(Cause::UpstreamTimeout,   &[&[TimedOut]],                                   &[SaidTimeout, LoggedTimedOut, LoggedNoAnswer, LoggedEither], &[]),
    rule(Cause::UpstreamClosed,    &[&[Closed]],                                     &[SaidClosed, LoggedClosed, LoggedNoAnswer, LoggedEither], &[]),
    // The same, by the access log.
    rule(Cause::UpstreamResponse,  &[&[LoggedPassedOn]],                             &[Unseen],     &[]),
    rule(Cause::UpstreamIntercepted, &[&[LoggedReplaced]],                           &[],           &[]),
    rule(Cause::UpstreamMasked,    &[&[LoggedMasked]],                               &[Unseen],     &[]),
    rule(Cause::UpstreamRefused,   &[&[LoggedRefused]],                              &[SaidRefused], &[SaidTimeout, SaidClosed]),
    rule(Cause::UpstreamTimeout,   &[&[LoggedTimedOut]],                             &[SaidTimeout], &[]),
    rule(Cause::UpstreamClosed,    &[&[LoggedClosed]],                               &[SaidClosed], &[]),
    // The same, by a message.
    rule(Cause::UpstreamRefused,   &[&[SaidRefused]],                                &[LoggedNoAnswer, LoggedEither], &[]),
    rule(Cause::UpstreamTimeout,   &[&[SaidTimeout]],                                &[LoggedNoAnswer, LoggedEither], &[]),
    rule(Cause::UpstreamClosed,    &[&[SaidClosed]],                                 &[LoggedNoAnswer, LoggedEither], &[]),
    // nginx says why each time that it answers for an upstream: it said nothing, so it did not.
    rule(Cause::UpstreamResponse,  &[&[Unseen], &[Unread, Silent], &[LoggedEither, Silent]], &[],    &[Made]),
    rule(Cause::UpstreamResponse,  &[&[Unrecorded, Silent, AsksUnread], &[Unrecorded, Silent, Cached]], &[], &[Configured, Scripted, LoggedOwn, LoggedExhausted, LoggedBetter]),
    // A call failed, and no message says more.
    rule(Cause::PermissionDenied,  &[&[Own, NoPermission]],                          OWN,           &[]),
    // nginx says why each time that it fails by itself, and not when it does as it was told.
    rule(Cause::ConfigResponse,    &[&[Own, Configured, Silent], &[LoggedOwn, Configured, Silent], &[Own, Made, Certain]], &[Made], &[LoggedExhausted]),
    // A script may answer as it likes, and say what it likes.
    rule(Cause::ScriptResponse,    &[&[Own, Scripted, Silent], &[Own, Scripted, SaidOther], &[LoggedOwn, Scripted, Silent], &[LoggedOwn, Scripted, SaidOther]], &[], &[LoggedExhausted]),
];

/// A cause, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub cause: Cause,
    pub confidence: Confidence,
    /// It hangs on what nobody said, so that all must have had their say.
    pub inferred: bool,
}

/// The cause of a failed answer of which so much was seen.
pub(super) fn judge(seen: Seen) -> Judged {
    let signs = seen.all();
    let fits =
        |rule: &&Rule| rule.proof.iter().any(|proof| signs.all(proof)) && !signs.any(rule.never);
    let Some(rule) = RULES.iter().find(fits) else {
        return Judged {
            cause: Cause::Unknown,
            confidence: Confidence::Possible,
            inferred: false,
        };
    };
    let mut whole = rule.proof.iter().filter(|proof| signs.all(proof));
    Judged {
        cause: rule.cause,
        confidence: confidence(rule, seen),
        inferred: whole.all(|proof| seen.inferred.any(proof)),
    }
}

/// The kernel does not err about what it saw; of the logs two must agree. What follows from silence
/// is not proven.
fn confidence(rule: &Rule, seen: Seen) -> Confidence {
    let signs = seen.all();
    let inferred = |proof: &&&[Sign]| seen.inferred.any(proof);
    let whole = rule.proof.iter().filter(|proof| signs.all(proof));
    if whole.clone().all(|proof| inferred(&proof)) {
        return Confidence::Probable;
    }
    let takes_part = |of: Signs| {
        let proves = whole.clone().any(|proof| of.any(proof));
        proves || of.any(rule.support)
    };
    let logs = usize::from(takes_part(seen.access_log)) + usize::from(takes_part(seen.error_log));
    // An upstream's failure behind TLS: whether it is the one that the client got is not seen.
    let kernel = takes_part(seen.kernel) && !(seen.kernel.has(Unseen) && logs == 0);
    if kernel || logs > 1 {
        Confidence::Confirmed
    } else {
        Confidence::Probable
    }
}

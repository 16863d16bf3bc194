//! What a thread of the agent may do once it has what it needs: capabilities, system calls, the user.
//!
//! Linux keeps all of these for each thread, so each thread gives up its own: one that [`spawn`] starts
//! before it does anything else, and the main thread by [`settle`] once everything is attached. A thread
//! that is started by a settled one has no more than that.

mod calls;
mod filter;
mod user;

use std::{io, sync::mpsc::sync_channel, thread};

use caps::{CapSet, Capability, CapsHashSet};
use rustix::thread::{clear_ambient_capability_set, set_no_new_privs};

pub use self::{
    calls::Calls,
    user::{as_user, choose_user, chosen_user},
};

/// What a thread needs from now on.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// Capabilities, of those that it has.
    pub capabilities: &'a [Capability],
    /// System calls beside those that every thread makes.
    pub calls: &'a [Calls],
}

impl Needs<'static> {
    /// Those of a thread that only writes to what is open already.
    pub const WRITER: Self = Self {
        capabilities: &[],
        calls: &[],
    };
}

/// What could not be given up.
#[derive(Debug)]
pub struct Problem {
    /// What, and why.
    pub text: String,
    /// Nothing can be made of what is left.
    pub harmless: bool,
}

/// Starts a thread that has given up all that it does not need before this returns.
///
/// # Errors
/// When no thread can be started, or it cannot become the chosen user.
pub fn spawn(
    name: &str,
    needs: Needs<'static>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let (settled, outcome) = sync_channel(1);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let outcome = settle(needs);
            let is_settled = outcome.is_ok();
            // The main thread tells of the same problems.
            let _ = settled.send(outcome.map(drop));
            if is_settled {
                work();
            }
        })?;
    outcome.recv().map_err(io::Error::other)?
}

/// Gives up all that the calling thread does not need, for good, and goes on as the chosen user. Gives
/// what could not be given up, and why.
///
/// # Errors
/// When it cannot become the chosen user.
pub fn settle(needs: Needs<'_>) -> io::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let kept: CapsHashSet = needs.capabilities.iter().copied().collect();
    let privileged = set_no_new_privs(true).map_err(|errno| errno.to_string());
    // No program that is executed gets anything from the bounding set.
    let harmless = privileged.is_ok();
    let mut tell = |what: &str, outcome: Result<(), String>, harmless| {
        problems.extend(outcome.err().map(|why| Problem {
            text: format!("{what}: {why}"),
            harmless,
        }));
    };
    tell("no_new_privs", privileged, false);
    // The bounding set goes first: changing it needs CAP_SETPCAP, which goes with the rest.
    tell("the bounding set of capabilities", bound(&kept), harmless);
    // The kernel clears it by itself where it knows ambient capabilities at all (Linux 4.3).
    let _ = clear_ambient_capability_set();
    user::become_chosen()?;
    let dropped = keep(&kept).map_err(|error| error.to_string());
    tell("capabilities", dropped, false);
    let filtered = filter::install(needs.calls);
    tell("system calls, by a filter", filtered, false);
    Ok(problems)
}

/// Takes every other capability out of the bounding set.
fn bound(kept: &CapsHashSet) -> Result<(), String> {
    let able = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false);
    let all = caps::runtime::thread_all_supported();
    let mut beyond = all
        .difference(kept)
        .filter(|capability| caps::has_cap(None, CapSet::Bounding, **capability).unwrap_or(true));
    if !able {
        return match beyond.next() {
            Some(_) if may_do_anything() => Err("that takes CAP_SETPCAP".to_owned()),
            // Who has nothing can get nothing from the bounding set, with no_new_privs.
            _ => Ok(()),
        };
    }
    beyond.try_for_each(|capability| {
        caps::drop(None, CapSet::Bounding, *capability)
            .map_err(|error| format!("{capability}: {error}"))
    })
}

fn may_do_anything() -> bool {
    caps::read(None, CapSet::Permitted).is_ok_and(|permitted| !permitted.is_empty())
}

fn keep(kept: &CapsHashSet) -> Result<(), caps::errors::CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let keep: CapsHashSet = permitted.intersection(kept).copied().collect();
    // A change of the user took them out of the effective set.
    caps::set(None, CapSet::Effective, &keep)?;
    caps::set(None, CapSet::Permitted, &keep)?;
    caps::clear(None, CapSet::Inheritable)
}

#[cfg(test)]
mod tests;

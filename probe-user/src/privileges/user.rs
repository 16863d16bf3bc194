//! The user as which the agent goes on.

use std::{ffi::CString, io, sync::OnceLock};

use anyhow::{Context as _, anyhow, bail};
use caps::{CapSet, Capability};
use nix::unistd::{self, getgrouplist, getgroups, setfsgid, setfsuid};
use rustix::{
    process::{Gid, Uid, geteuid, getuid},
    thread::{set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// The user of this process's threads once they have what they need; none to stay who started it.
static CHOSEN: OnceLock<Option<User>> = OnceLock::new();

struct User {
    name: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

/// Chooses the user, by name or number, as which every thread goes on. Call it before there are any.
///
/// # Errors
/// When there is no such user, or this process may not become another.
pub fn choose_user(name: Option<&str>) -> anyhow::Result<()> {
    let user = name.map(User::find).transpose()?;
    if let Some(user) = user.as_ref().filter(|user| !user.is_ours()) {
        for capability in [Capability::CAP_SETGID, Capability::CAP_SETUID] {
            if !caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false) {
                bail!(
                    "--user {}: to go on as another user takes {capability}, which this user does \
                     not have: start as root, or without --user",
                    user.name
                );
            }
        }
    }
    let _ = CHOSEN.set(user);
    Ok(())
}

/// The name of the chosen user.
#[must_use]
pub fn chosen_user() -> Option<&'static str> {
    chosen().map(|user| user.name.as_str())
}

/// Uses files as the chosen user: the kernel decides by it what may be made and written, and whose it
/// will be.
///
/// # Errors
/// When the groups of this thread cannot be set; nothing was done then.
pub fn as_user<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let Some(user) = chosen().filter(|user| !user.is_ours()) else {
        return Ok(work());
    };
    let before: Vec<Gid> = getgroups()?
        .into_iter()
        .map(|gid| Gid::from_raw(gid.as_raw()))
        .collect();
    set_thread_groups(&user.groups)?;
    let gid = setfsgid(user.gid.as_raw().into());
    let uid = setfsuid(user.uid.as_raw().into());
    let outcome = work();
    setfsuid(uid);
    setfsgid(gid);
    set_thread_groups(&before)?;
    Ok(outcome)
}

/// Makes the calling thread the chosen user's. Its capabilities stay permitted.
pub(super) fn become_chosen() -> io::Result<()> {
    let Some(user) = chosen().filter(|user| !user.is_ours()) else {
        return Ok(());
    };
    // Those of the C library would change every thread, some of which may not any more.
    set_keep_capabilities(true)?;
    set_thread_groups(&user.groups)?;
    set_thread_res_gid(user.gid, user.gid, user.gid)?;
    set_thread_res_uid(user.uid, user.uid, user.uid)?;
    set_keep_capabilities(false)?;
    Ok(())
}

fn chosen() -> Option<&'static User> {
    CHOSEN.get()?.as_ref()
}

impl User {
    fn find(name: &str) -> anyhow::Result<Self> {
        let found = match unistd::User::from_name(name) {
            Ok(None) => match name.parse() {
                Ok(uid) => unistd::User::from_uid(unistd::Uid::from_raw(uid)),
                Err(_) => Ok(None),
            },
            found => found,
        };
        let user = found
            .with_context(|| format!("--user {name}: cannot look for that user"))?
            .ok_or_else(|| {
                anyhow!("--user {name}: there is no such user: make it (`useradd --system {name}`), or name another")
            })?;
        let c_name = CString::new(user.name.as_str())?;
        let groups = getgrouplist(&c_name, user.gid)
            .with_context(|| format!("--user {name}: cannot look for its groups"))?;
        Ok(Self {
            name: user.name,
            uid: Uid::from_raw(user.uid.as_raw()),
            gid: Gid::from_raw(user.gid.as_raw()),
            groups: groups
                .iter()
                .map(|gid| Gid::from_raw(gid.as_raw()))
                .collect(),
        })
    }

    /// Whether the calling thread is this user's already.
    fn is_ours(&self) -> bool {
        (getuid(), geteuid()) == (self.uid, self.uid)
    }
}

//! The place on the host that a process belongs to: its root folder, its control group, its user.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use crate::{container::cgroup, proc::Proc, rooted::Root};

/// What is known of a process's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Device and inode of its root folder.
    root: Option<(u64, u64)>,
    /// Its control group of version 2, or of systemd's own hierarchy.
    cgroup: Option<String>,
    /// The user that it runs as, in the initial user namespace.
    uid: Option<u32>,
}

impl Place {
    pub(super) fn of(proc: &Proc, pid: u32, root: Option<&Root>) -> Self {
        let folder = proc.root().join(pid.to_string());
        Self {
            root: root.and_then(|root| root.id_of(Path::new("/"))),
            cgroup: cgroup_of(proc, pid),
            uid: fs::metadata(&folder).ok().map(|folder| folder.uid()),
        }
    }

    /// Whether a process is the service manager of this service, or what that runs for it.
    pub(super) fn is_managed_by(&self, proc: &Proc, pid: u32) -> bool {
        pid == 1 || self.runs(proc, pid)
    }

    /// Whether that process runs in the control group of this service, or in one of those within.
    /// What somebody runs at a terminal shares the group of the terminal's session, which is no
    /// service.
    fn runs(&self, proc: &Proc, pid: u32) -> bool {
        let other = cgroup_of(proc, pid);
        other.is_some_and(|other| self.holds(&other))
    }

    /// The same of a process whose place was looked at.
    pub(super) fn runs_with(&self, other: &Self) -> bool {
        other.cgroup.as_deref().is_some_and(|it| self.holds(it))
    }

    /// Whether the same user runs both, as far as is known.
    pub(super) fn has_user_of(&self, other: &Self) -> bool {
        self.uid == other.uid
    }

    /// Whether it is the group of a unit of the kind that a service manager starts.
    pub(super) fn is_unit(&self) -> bool {
        let own = self.cgroup.as_deref().unwrap_or_default();
        own.ends_with(".service")
    }

    fn holds(&self, other: &str) -> bool {
        let Some(own) = self.cgroup.as_deref().filter(|own| is_service(own)) else {
            return false;
        };
        other
            .strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a process there may see the same files and may signal a master here.
    pub(super) fn may_be_of(&self, other: &Self) -> bool {
        let by_root = self.root.is_some() && self.root == other.root;
        let may_signal = self.uid == Some(0) || self.uid.is_some() && self.uid == other.uid;
        may_signal && (by_root || other.runs_with(self))
    }
}

fn cgroup_of(proc: &Proc, pid: u32) -> Option<String> {
    cgroup::path(&proc.cgroup(pid)?)
}

/// Neither the root of all groups nor the session of somebody who is logged in.
fn is_service(cgroup: &str) -> bool {
    let last = cgroup.rsplit('/').next().unwrap_or_default();
    !last.is_empty() && !last.starts_with("session-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(cgroup: &str) -> Place {
        Place {
            cgroup: Some(cgroup.to_owned()),
            ..Place::default()
        }
    }

    #[test]
    fn a_service_runs_what_is_in_its_group_or_below() {
        let service = place("/system.slice/nginx.service");
        for (other, runs) in [
            ("/system.slice/nginx.service", true),
            ("/system.slice/nginx.service/control", true),
            ("/system.slice/nginx.service2", false),
            ("/system.slice", false),
            ("/user.slice/user-0.slice/session-1.scope", false),
        ] {
            assert_eq!(service.runs_with(&place(other)), runs, "{other}");
        }
        for own in ["/", "/user.slice/user-0.slice/session-1.scope"] {
            assert!(!place(own).runs_with(&place(own)), "{own} is no service");
        }
    }

    #[test]
    fn who_may_not_signal_a_master_tells_nothing_of_it() {
        let place = |uid| Place {
            root: Some((1, 2)),
            uid: Some(uid),
            ..Place::default()
        };
        let (root, www, other) = (place(0), place(33), place(1000));
        assert!(root.may_be_of(&www) && root.may_be_of(&root) && www.may_be_of(&www));
        assert!(!other.may_be_of(&root) && !other.may_be_of(&www));
        assert!(
            !Place {
                root: None,
                ..place(0)
            }
            .may_be_of(&root)
        );
    }
}

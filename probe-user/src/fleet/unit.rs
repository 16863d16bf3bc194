//! The place on the host that a process belongs to: its root folder, its control group, its user.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use crate::{proc::Proc, rooted::Root};

/// The control groups of a process are listed in less, in bytes.
const MAX_CGROUPS: u64 = 16 * 1024;

/// What is known of a process's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// Device and inode of its root folder.
    root: Option<(u64, u64)>,
    /// Its control group of version 2, or of systemd's own hierarchy.
    cgroup: Option<String>,
    /// The user that it runs as, in the initial user namespace.
    uid: Option<u32>,
}

impl Unit {
    pub(super) fn of(proc: &Proc, pid: u32, root: Option<&Root>) -> Self {
        let folder = proc.root().join(pid.to_string());
        Self {
            root: root.and_then(identity),
            cgroup: cgroup(&folder),
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
        let other = cgroup(&proc.root().join(pid.to_string()));
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

/// Device and inode of a root folder.
fn identity(root: &Root) -> Option<(u64, u64)> {
    let stat = root.stat(Path::new("/")).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// Neither the root of all groups nor the session of somebody who is logged in.
fn is_service(cgroup: &str) -> bool {
    let last = cgroup.rsplit('/').next().unwrap_or_default();
    !last.is_empty() && !last.starts_with("session-")
}

fn cgroup(folder: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(folder.join("cgroup")).ok()?;
    file.take(MAX_CGROUPS).read_to_string(&mut text).ok()?;
    let of = |controllers: &str| {
        text.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (named, path) = rest.split_once(':')?;
            (named == controllers && path.len() > 1).then(|| path.to_owned())
        })
    };
    of("").or_else(|| of("name=systemd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(cgroup: &str) -> Unit {
        Unit {
            cgroup: Some(cgroup.to_owned()),
            ..Unit::default()
        }
    }

    #[test]
    fn a_service_runs_what_is_in_its_group_or_below() {
        let service = unit("/system.slice/nginx.service");
        for (other, runs) in [
            ("/system.slice/nginx.service", true),
            ("/system.slice/nginx.service/control", true),
            ("/system.slice/nginx.service2", false),
            ("/system.slice", false),
            ("/user.slice/user-0.slice/session-1.scope", false),
        ] {
            assert_eq!(service.runs_with(&unit(other)), runs, "{other}");
        }
        for own in ["/", "/user.slice/user-0.slice/session-1.scope"] {
            assert!(!unit(own).runs_with(&unit(own)), "{own} is no service");
        }
    }

    #[test]
    fn who_may_not_signal_a_master_tells_nothing_of_it() {
        let place = |uid| Unit {
            root: Some((1, 2)),
            uid: Some(uid),
            ..Unit::default()
        };
        let (root, www, other) = (place(0), place(33), place(1000));
        assert!(root.may_be_of(&www) && root.may_be_of(&root) && www.may_be_of(&www));
        assert!(!other.may_be_of(&root) && !other.may_be_of(&www));
        assert!(
            !Unit {
                root: None,
                ..place(0)
            }
            .may_be_of(&root)
        );
    }

    #[test]
    fn the_group_is_read_in_either_version() {
        let folder = tempfile::tempdir().expect("temp folder");
        for (text, group) in [
            (
                "0::/system.slice/nginx.service\n",
                Some("/system.slice/nginx.service"),
            ),
            (
                "3:cpu:/x\n1:name=systemd:/a.service\n0::/\n",
                Some("/a.service"),
            ),
            ("0::/\n", None),
            ("nonsense", None),
        ] {
            fs::write(folder.path().join("cgroup"), text).expect("written");
            assert_eq!(cgroup(folder.path()).as_deref(), group, "{text}");
        }
    }
}

//! Which container, pod and systemd unit a process belongs to.
//!
//! The kernel knows none of them: it knows control groups, whose paths every runtime forms in its
//! own way. [`cgroup`] is the closed list of those ways; [`state`] asks the files that the runtimes
//! keep for the names that people use; [`label`] makes an instance's name out of both.

pub mod cgroup;
pub mod label;
pub mod state;

use serde::{Deserialize, Serialize};

use crate::proc::Proc;

use self::{cgroup::Found, state::Host};

/// The longest name of a container, pod, namespace or unit.
pub(crate) const MAX_NAME: usize = 255;
/// So much of an id is enough to tell containers from each other, as runtimes show it.
const SHORT_ID: usize = 12;

/// Who a process is, beside its process id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The container that it runs in.
    pub container: Option<Container>,
    /// The systemd unit that it is a part of: a user's own unit where it is one of those.
    pub unit: Option<String>,
}

/// A container, as its runtime names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The runtime's own id, which is another one after the container was made anew.
    pub id: Option<String>,
    /// The name that an operator gave it.
    pub name: Option<String>,
    /// The pod's name.
    pub pod: Option<String>,
    /// The pod's Kubernetes namespace.
    pub namespace: Option<String>,
    /// What runs it.
    pub runtime: Option<Runtime>,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the name of a program")]
pub enum Runtime {
    Docker,
    Containerd,
    CriO,
    Podman,
    Lxc,
    SystemdNspawn,
    LibvirtLxc,
    Ecs,
    Garden,
    Buildkit,
}

impl Runtime {
    /// As in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::SystemdNspawn => "systemd-nspawn",
            Self::LibvirtLxc => "libvirt-lxc",
            Self::Ecs => "ecs",
            Self::Garden => "garden",
            Self::Buildkit => "buildkit",
        }
    }
}

impl Identity {
    /// The identity of a living process. Names are looked up in the files of `host`.
    #[must_use]
    pub fn of_process(proc: &Proc, pid: u32, host: Option<&Host>) -> Self {
        let text = proc.cgroup(pid).unwrap_or_default();
        let group = cgroup::parse(&text);
        let container = group.container.map(|found| {
            let known = host.and_then(|host| state::find(host, &found));
            let known = known.filter(|known| {
                known.first_process.is_none_or(|first| {
                    let there = proc.cgroup(first).unwrap_or_default();
                    !is_elsewhere(&found, &there)
                })
            });
            Container::of(found, known.unwrap_or_default())
        });
        Self {
            container,
            unit: group.unit,
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.container.is_none() && self.unit.is_none()
    }
}

impl Container {
    fn of(found: Found, known: state::Known) -> Self {
        Self {
            id: found.id,
            name: known.name.or(found.name),
            pod: known.pod,
            namespace: known.namespace,
            runtime: known.runtime.or(found.runtime),
        }
    }

    /// What the container goes by: its pod's name with its own, its own, or the beginning of its id.
    #[must_use]
    pub fn display_name(&self) -> Option<String> {
        let Some(name) = &self.name else {
            return self.short_id().map(str::to_owned);
        };
        let parts = [self.namespace.as_ref(), self.pod.as_ref(), Some(name)];
        // A namespace alone says nothing of a pod.
        let parts = parts.into_iter().skip(usize::from(self.pod.is_none()));
        let parts: Vec<&str> = parts.flatten().map(String::as_str).collect();
        Some(parts.join("/"))
    }

    /// The beginning of the id.
    #[must_use]
    pub fn short_id(&self) -> Option<&str> {
        let id = self.id.as_deref()?;
        Some(id.get(..SHORT_ID).unwrap_or(id))
    }
}

/// Whether the container's own first process shows that the container is in another place: whoever
/// may make control groups can give one of them the id of somebody else's container.
fn is_elsewhere(found: &Found, first_process: &[u8]) -> bool {
    cgroup::parse(first_process)
        .container
        .is_some_and(|real| real.id == found.id && real.path != found.path)
}

/// A name as runtimes allow them: letters, digits, `_`, `.` and `-`, `@` and `:`.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-@:".contains(&byte))
}

#[cfg(test)]
mod tests;

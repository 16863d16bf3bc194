//! One component of a control group's path: how each runtime names what it makes.

use super::{Found, unit};
use crate::container::{Runtime, is_name};

/// What a component stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Component {
    /// A container.
    Container(Found),
    /// What looks after a container, beside it.
    Monitor,
    /// The pod of the containers in it.
    Pod,
    /// Anything else.
    Other,
}

/// What the components so far have said.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) container: Option<Found>,
    pub(super) unit: Option<String>,
    path: String,
    in_pod: bool,
    /// Below a user's own service manager.
    of_user: bool,
    /// Below `ecs`.
    in_ecs: bool,
    last: String,
}

/// Prefixes of `PREFIX-ID.scope` and of `PARENT:PREFIX:ID`.
const PREFIXES: [(&str, Runtime); 9] = [
    ("docker", Runtime::Docker),
    ("cri-containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("containerd", Runtime::Containerd),
    ("crio", Runtime::CriO),
    ("libpod", Runtime::Podman),
    ("libpod-payload", Runtime::Podman),
    ("podman", Runtime::Podman),
    ("buildkit", Runtime::Buildkit),
];
/// Prefixes of what looks after a container.
const MONITORS: [&str; 4] = [
    "crio-conmon-",
    "libpod-conmon-",
    "lxc.monitor.",
    "lxc.pivot",
];

impl Walk {
    /// What the next component stands for, which hangs on those before it.
    pub(super) fn component(&self, step: &str) -> Component {
        if MONITORS.iter().any(|prefix| step.starts_with(prefix)) || self.is_supervisor(step) {
            return Component::Monitor;
        }
        let found = self
            .hexadecimal(step)
            .or_else(|| prefixed(step))
            .or_else(|| colons(step))
            .or_else(|| self.lxc(step))
            .or_else(|| machine(step))
            .or_else(|| self.other_ids(step));
        match found {
            Some(mut found) => {
                found.in_pod = self.in_pod || is_pod(step.split(':').next().unwrap_or_default());
                Component::Container(found)
            }
            None if is_pod(step) => Component::Pod,
            None => Component::Other,
        }
    }

    /// Goes on below a component.
    pub(super) fn step(&mut self, step: &str, component: Component) {
        self.path.push('/');
        self.path.push_str(step);
        match component {
            Component::Container(mut found) => {
                found.foreign = self.of_user || self.container.is_some();
                found.path.clone_from(&self.path);
                self.container = Some(found);
                self.in_pod = false;
            }
            Component::Pod => self.in_pod = true,
            Component::Monitor | Component::Other => {}
        }
        if let Some(unit) = unit::unit(step) {
            self.of_user |= unit.starts_with("user@");
            self.unit = Some(unit.to_owned());
        }
        self.in_ecs |= step == "ecs";
        step.clone_into(&mut self.last);
    }

    /// Docker, containerd and the kubelet, where systemd does not make their control groups.
    fn hexadecimal(&self, step: &str) -> Option<Found> {
        if !is_id(step) {
            return None;
        }
        let (runtime, namespace) = match &*self.last {
            _ if self.in_ecs => (Some(Runtime::Ecs), None),
            "docker" => (Some(Runtime::Docker), None),
            "moby" => (Some(Runtime::Docker), Some("moby")),
            name @ ("default" | "k8s.io") => (Some(Runtime::Containerd), Some(name)),
            "libpod_parent" => (Some(Runtime::Podman), None),
            _ if self.in_pod => (Some(Runtime::Containerd), None),
            _ => (None, None),
        };
        Some(Found {
            runtime,
            id: Some(step.to_owned()),
            containerd_namespace: namespace.map(str::to_owned),
            ..Found::default()
        })
    }

    fn lxc(&self, step: &str) -> Option<Found> {
        let name = match (&*self.last, step.strip_prefix("lxc.payload.")) {
            (_, Some(name)) => name,
            ("lxc.payload" | "lxc", None) => step,
            _ => return None,
        };
        named(Runtime::Lxc, name)
    }

    /// systemd-nspawn runs the container beside itself, in a group `payload`.
    fn is_supervisor(&self, step: &str) -> bool {
        step == "supervisor"
            && self
                .container
                .as_ref()
                .is_some_and(|found| found.runtime == Some(Runtime::SystemdNspawn))
    }

    /// Ids that are no 64 digits: of Fargate's tasks, Garden's handles, and builds.
    fn other_ids(&self, step: &str) -> Option<Found> {
        let runtime = match &*self.last {
            "garden" if is_uuid(step.get(..36).unwrap_or(step)) && is_name(step) => Runtime::Garden,
            "buildkit" if is_build(step) => Runtime::Buildkit,
            _ if self.in_ecs && is_task_container(step) => Runtime::Ecs,
            _ => return None,
        };
        Some(Found {
            runtime: Some(runtime),
            id: Some(step.to_owned()),
            ..Found::default()
        })
    }
}

/// `docker-ID.scope`, `crio-ID`.
fn prefixed(step: &str) -> Option<Found> {
    let (name, is_scope) = match step.strip_suffix(".scope") {
        Some(scope) => (scope, true),
        None => (step, false),
    };
    let (prefix, id) = name.rsplit_once('-')?;
    let runtime = runtime_of(prefix);
    // A scope of an unknown runtime; a mere folder may be anything.
    (is_id(id) && (runtime.is_some() || (is_scope && is_name(prefix)))).then(|| Found {
        runtime,
        id: Some(id.to_owned()),
        ..Found::default()
    })
}

/// `kubepods-burstable-podUID.slice:cri-containerd:ID`: systemd's way of saying it, given to a runtime
/// that makes the folder by itself.
fn colons(step: &str) -> Option<Found> {
    let mut parts = step.rsplitn(3, ':');
    let (id, prefix, _parent) = (parts.next()?, parts.next()?, parts.next()?);
    let runtime = runtime_of(prefix)?;
    (is_id(id) || (runtime == Runtime::Docker && is_build(id))).then(|| Found {
        runtime: Some(if is_id(id) {
            runtime
        } else {
            Runtime::Buildkit
        }),
        id: Some(id.to_owned()),
        ..Found::default()
    })
}

/// A machine of systemd: a container of `systemd-nspawn` or of libvirt, no virtual machine.
fn machine(step: &str) -> Option<Found> {
    if let Some(name) = step.strip_prefix("systemd-nspawn@") {
        let name = unit::unescape(name.strip_suffix(".service")?)?;
        return named(Runtime::SystemdNspawn, &name);
    }
    let name = step.strip_prefix("machine-")?.strip_suffix(".scope")?;
    let name = unit::unescape(name)?;
    if name.starts_with("qemu-") {
        return None;
    }
    if let Some((number, name)) = name
        .strip_prefix("lxc-")
        .and_then(|rest| rest.split_once('-'))
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return named(Runtime::LibvirtLxc, name);
    }
    named(Runtime::SystemdNspawn, &name)
}

fn named(runtime: Runtime, name: &str) -> Option<Found> {
    is_name(name).then(|| Found {
        runtime: Some(runtime),
        name: Some(name.to_owned()),
        ..Found::default()
    })
}

fn runtime_of(prefix: &str) -> Option<Runtime> {
    PREFIXES
        .iter()
        .find(|(known, _)| *known == prefix)
        .map(|(_, runtime)| *runtime)
}

/// `podUID`, or systemd's slice of a pod, which has `_` for `-`.
fn is_pod(step: &str) -> bool {
    let uid = match step.strip_suffix(".slice") {
        Some(slice) if slice.starts_with("kubepods") => {
            slice.rsplit_once("-pod").map(|(_, uid)| uid)
        }
        Some(_) => None,
        None => step.strip_prefix("pod"),
    };
    // A static pod's is the hash of its file.
    uid.is_some_and(|uid| is_uuid(&uid.replace('_', "-")) || is_hex(uid, 32))
}

fn is_id(text: &str) -> bool {
    is_hex(text, 64)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(is_hex_byte)
}

const fn is_hex_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_hex_byte(byte),
        })
}

/// Fargate: the task's id and a number.
fn is_task_container(step: &str) -> bool {
    let number = |text: &str| {
        (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    step.split_once('-')
        .is_some_and(|(task, rest)| is_hex(task, 32) && number(rest))
}

/// Builds have 25 letters and digits.
fn is_build(step: &str) -> bool {
    step.len() == 25
        && step
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

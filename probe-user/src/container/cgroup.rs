//! `/proc/PID/cgroup`, version 1, version 2 or both: which container and which systemd unit.
//!
//! Each line is `HIERARCHY:CONTROLLERS:PATH`. Whoever may make control groups chooses their names, so
//! only what is formed as a runtime forms it counts, and no text is kept that is not a plain name.

mod component;
mod unit;

use super::Runtime;

use self::component::{Component, Walk};

/// Lines that are read: the kernel has some 15 hierarchies.
const MAX_LINES: usize = 64;
/// The longest path that the kernel gives.
const MAX_PATH: usize = 4096;

/// How much systemd's own hierarchy is to be believed: version 2 is to be more.
const OF_SYSTEMD: usize = 1;

/// What the control groups of a process say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The innermost container.
    pub container: Option<Found>,
    /// The innermost systemd unit.
    pub unit: Option<String>,
}

/// A container, as far as a path tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Which runtime forms its paths so, where only one does.
    pub runtime: Option<Runtime>,
    /// The runtime's id.
    pub id: Option<String>,
    /// Its name, where the path has it.
    pub name: Option<String>,
    /// It is a part of a Kubernetes pod.
    pub in_pod: bool,
    /// The namespace that containerd keeps it in.
    pub containerd_namespace: Option<String>,
    /// It is inside another container, or belongs to a user other than root: the host's own runtimes
    /// do not know it.
    pub foreign: bool,
    /// The control group of the container itself.
    pub path: String,
}

/// What a process's control groups say; nothing for what is no such file.
#[must_use]
pub fn parse(text: &[u8]) -> Group {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<(usize, Walk)> = text
        .split('\n')
        .take(MAX_LINES)
        .filter_map(line)
        .map(|(rank, path)| (rank, walk(path)))
        .collect();
    // systemd keeps its units in version 2, before that in a hierarchy of its own.
    lines.sort_by_key(|(rank, _)| *rank);
    let mut group = Group::default();
    for (_, walk) in lines {
        let Walk {
            container, unit, ..
        } = walk;
        if container.is_some() {
            // The unit that the runtime was started by is not the container's.
            return Group { container, unit };
        }
        group.unit = group.unit.or(unit);
    }
    group
}

/// The control group in which a service manager keeps a process: that of version 2, else that of
/// systemd's own hierarchy; nothing for the root of all groups.
#[must_use]
pub fn path(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.split('\n').take(MAX_LINES).filter_map(line);
    let lines = lines.filter(|(rank, path)| *rank <= OF_SYSTEMD && path.len() > 1);
    let (_, path) = lines.min_by_key(|(rank, _)| *rank)?;
    Some(path.to_owned())
}

/// The path of a line, and how much its hierarchy is to be believed: the least is the best.
fn line(line: &str) -> Option<(usize, &str)> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if !path.starts_with('/') || path.len() > MAX_PATH {
        return None;
    }
    let rank = match (number, controllers) {
        ("0", "") => 0,
        (_, "name=systemd") => OF_SYSTEMD,
        _ => 2,
    };
    Some((rank, path))
}

/// What the components of a path say, from the outermost on.
fn walk(path: &str) -> Walk {
    // A group that was removed while the process still ends.
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let mut walk = Walk::default();
    // `..` leads out of the control group namespace of whoever looks.
    let steps = path
        .split('/')
        .filter(|step| !matches!(*step, "" | "." | ".."));
    for step in steps {
        match walk.component(step) {
            // What only watches a container is not in it.
            Component::Monitor => break,
            component => walk.step(step, component),
        }
    }
    walk
}

#[cfg(test)]
mod tests;

//! containerd, by whatever it is used: the bundles of running containers, whose `config.json` has
//! what Kubernetes and nerdctl call them.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Host, Known, MAX_FILE, described};
use crate::container::{Runtime, is_name};

/// Where containerd keeps its state; k3s and its kin, and `MicroK8s`, have their own.
const FOLDERS: [&str; 3] = [
    "/run/containerd",
    "/run/k3s/containerd",
    "/var/snap/microk8s/common/run/containerd",
];
const TASKS: &str = "io.containerd.runtime.v2.task";
/// Namespaces of containerd that are looked into.
const MAX_NAMESPACES: usize = 64;

/// What matters of a bundle's `config.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Bundle {
    pub(super) annotations: Option<HashMap<String, String>>,
}

pub(super) fn find(host: &Host, id: &str, namespace: Option<&str>) -> Option<Known> {
    FOLDERS.iter().find_map(|folder| {
        let namespaces = match namespace.filter(|name| is_name(name)) {
            Some(namespace) => vec![namespace.to_owned()],
            None => host.names(folder, TASKS, MAX_NAMESPACES),
        };
        let mut bundles = namespaces
            .iter()
            .map(|namespace| format!("{TASKS}/{namespace}/{id}"));
        bundles.find_map(|path| bundle(host, folder, &path))
    })
}

fn bundle(host: &Host, folder: &str, path: &str) -> Option<Known> {
    let bundle: Bundle = host.json(folder, &format!("{path}/config.json"), MAX_FILE)?;
    Some(Known {
        runtime: Some(Runtime::Containerd),
        first_process: host.number(folder, &format!("{path}/init.pid")),
        ..described(&bundle.annotations.unwrap_or_default())
    })
}

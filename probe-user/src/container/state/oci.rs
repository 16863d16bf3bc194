//! containerd, by whatever it is used: the bundles of running containers, whose `config.json` has
//! what Kubernetes and nerdctl call them.

use std::{collections::HashMap, path::Path};

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
        let tasks = format!("{folder}/{TASKS}");
        match namespace.filter(|name| is_name(name)) {
            Some(namespace) => bundle(host, &format!("{tasks}/{namespace}/{id}")),
            None => namespaces(host, &tasks)
                .iter()
                .find_map(|namespace| bundle(host, &format!("{tasks}/{namespace}/{id}"))),
        }
    })
}

fn namespaces(host: &Host, tasks: &str) -> Vec<String> {
    let names = host.root.read_dir(Path::new(tasks), MAX_NAMESPACES);
    let names = names.unwrap_or_default().into_iter();
    let names = names.filter_map(|name| name.into_string().ok());
    names.filter(|name| is_name(name)).collect()
}

fn bundle(host: &Host, folder: &str) -> Option<Known> {
    let bundle: Bundle = host.json(&format!("{folder}/config.json"), MAX_FILE)?;
    Some(Known {
        runtime: Some(Runtime::Containerd),
        first_process: host.number(&format!("{folder}/init.pid")),
        ..described(&bundle.annotations.unwrap_or_default())
    })
}

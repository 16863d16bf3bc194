//! Podman and CRI-O, which keep their containers in the same way: a bundle for each that runs, and a
//! list of all with their names.

use serde::Deserialize;

use super::{Host, Known, MAX_FILE, described, oci::Bundle};
use crate::container::{Runtime, is_name};

/// Bundles of running containers, each in a folder that is called by its id.
const BUNDLES: &str = "/run/containers/storage/overlay-containers";
/// Where the lists are, and which: of containers that are kept, and of those that are gone after the
/// next boot.
const STORE: &str = "/var/lib/containers/storage/overlay-containers";
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];
/// As much of such a list as is read, in bytes: it has about 1 KB for a container.
const MAX_LIST: u64 = 16 * 1024 * 1024;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    id: String,
    names: Option<Vec<String>>,
}

pub(super) fn find(host: &Host, id: &str) -> Option<Known> {
    let path = format!("{id}/userdata/config.json");
    let bundle: Option<Bundle> = host.json(BUNDLES, &path, MAX_FILE);
    let annotations = bundle.and_then(|bundle| bundle.annotations);
    let annotations = annotations.unwrap_or_default();
    let runtime = annotations.get("io.container.manager");
    let runtime = match runtime.map(String::as_str) {
        Some("cri-o") => Some(Runtime::CriO),
        Some("libpod") => Some(Runtime::Podman),
        _ => None,
    };
    let described = described(&annotations);
    // CRI-O's list has names made of the pod's, the attempt's number among them.
    let name = match described.name {
        None => listed(host, id),
        name => name,
    };
    let known = Known {
        name,
        runtime,
        first_process: host.number(BUNDLES, &format!("{id}/userdata/pidfile")),
        ..described
    };
    (known != Known::default()).then_some(known)
}

fn listed(host: &Host, id: &str) -> Option<String> {
    LISTS.iter().find_map(|list| {
        let all: Vec<Listed> = host.json(STORE, list, MAX_LIST)?;
        let ours = all.into_iter().find(|listed| listed.id == id)?;
        ours.names?.into_iter().find(|name| is_name(name))
    })
}

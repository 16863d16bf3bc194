//! Docker: `containers/ID/config.v2.json` of its data folder.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Host, Known, MAX_FILE, described};
use crate::container::{Runtime, is_name};

/// Where Docker keeps its data unless it is told otherwise, and where its snap does.
const FOLDERS: [&str; 2] = ["/var/lib/docker", "/var/snap/docker/common/var-lib-docker"];
/// Where it is told otherwise.
const CONFIG: (&str, &str) = ("/etc/docker", "daemon.json");

#[derive(Default, Deserialize)]
#[serde(default)]
struct Daemon {
    #[serde(rename = "data-root")]
    data_root: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Container {
    name: String,
    state: State,
    config: Config,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct State {
    pid: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    labels: Option<HashMap<String, String>>,
}

pub(super) fn find(host: &Host, id: &str) -> Option<Known> {
    let told = host.json::<Daemon>(CONFIG.0, CONFIG.1, MAX_FILE);
    let told = told.and_then(|daemon| daemon.data_root);
    let folders = told.as_deref().into_iter().chain(FOLDERS);
    let mut folders = folders.filter(|folder| folder.starts_with('/'));
    let path = format!("containers/{id}/config.v2.json");
    let container: Container = folders.find_map(|folder| host.json(folder, &path, MAX_FILE))?;
    let labels = container.config.labels.unwrap_or_default();
    let described = described(&labels);
    let name = container.name.trim_start_matches('/');
    // A pod's container is called `k8s_NAME_POD_NAMESPACE_UID_ATTEMPT`.
    let name = described
        .name
        .or_else(|| is_name(name).then(|| name.to_owned()));
    Some(Known {
        name,
        runtime: Some(Runtime::Docker),
        first_process: Some(container.state.pid).filter(|pid| *pid > 0),
        ..described
    })
}

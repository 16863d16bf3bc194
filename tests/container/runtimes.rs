//! Control groups as each runtime names them, and what it keeps of a container in its files.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fs;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use nginx_probe_tests::contained::PID_FILE;
use serde_json::{Value, json};

/// A way in which a runtime names control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Docker by systemd.
    DockerScope,
    /// Docker by itself, of whose state nothing can be read.
    DockerFolder,
    /// containerd by itself, of whose state nothing can be read.
    Containerd,
    /// containerd for a kubelet, by systemd.
    PodOfContainerd,
    /// containerd for a kubelet, by itself.
    PodFolder,
    /// CRI-O for a kubelet, by systemd.
    PodOfCrio,
    /// podman by systemd, whose containers may have groups of their own.
    PodmanScope,
    /// podman by itself.
    PodmanFolder,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::DockerScope,
        Self::DockerFolder,
        Self::Containerd,
        Self::PodOfContainerd,
        Self::PodFolder,
        Self::PodOfCrio,
        Self::PodmanScope,
        Self::PodmanFolder,
    ];
}

/// A container, and what the agent ought to say of it.
#[derive(Debug)]
pub struct Known {
    /// The path of its control group.
    pub path: String,
    /// What its nginx is called.
    pub name: String,
    /// As in records.
    pub container: Value,
    /// As in records.
    pub unit: Value,
}

/// A host's root folder with the state of its runtimes.
#[derive(Debug)]
pub struct Runtimes {
    host: tempfile::TempDir,
    /// Eight hexadecimal digits that no other test's have.
    mark: String,
    /// How many were made.
    count: Cell<u32>,
    names: RefCell<Vec<String>>,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Runtimes {
    pub fn new() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            host: tempfile::tempdir()?,
            mark: format!("{:06x}{number:02x}", process::id()),
            count: Cell::new(0),
            names: RefCell::default(),
        })
    }

    /// Options of an agent on this host.
    pub fn arguments(&self) -> Vec<OsString> {
        vec!["--host-root".into(), self.host.path().into()]
    }

    /// What every name of these containers has in it: a part of the id, or of the name that a runtime
    /// keeps.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// What all that were made are called.
    pub fn names(&self) -> Vec<String> {
        self.names.borrow().clone()
    }

    /// A container that nobody else on this host has the name of.
    pub fn known(&self, kind: Kind) -> Result<Known> {
        let known = self.called(&format!("web{}", self.count.get()), kind)?;
        self.names.borrow_mut().push(known.name.clone());
        Ok(known)
    }

    /// A container of this name, with what its runtime keeps of it.
    pub fn called(&self, name: &str, kind: Kind) -> Result<Known> {
        let number = self.count.replace(self.count.get() + 1);
        // 64 digits, of which the first 12 tell it from others.
        let id = format!("{number:04x}{}{}", self.mark, "5".repeat(52));
        let name = format!("{name}-{}", self.mark);
        let pod = format!("{name}-pod");
        let uid = "6f2b1c34-9d1e-4f6a-8b7c-0123456789ab";
        let slice = format!(
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice",
            uid.replace('-', "_")
        );
        let path = match kind {
            Kind::DockerScope => format!("system.slice/docker-{id}.scope"),
            Kind::DockerFolder => format!("docker/{id}"),
            Kind::Containerd => format!("k8s.io/{id}"),
            Kind::PodOfContainerd => format!("{slice}/cri-containerd-{id}.scope"),
            Kind::PodFolder => format!("kubepods/burstable/pod{uid}/{id}"),
            Kind::PodOfCrio => format!("{slice}/crio-{id}.scope"),
            Kind::PodmanScope => format!("machine.slice/libpod-{id}.scope/container"),
            Kind::PodmanFolder => format!("libpod_parent/libpod-{id}"),
        };
        let in_pod = [Kind::PodOfContainerd, Kind::PodFolder, Kind::PodOfCrio].contains(&kind);
        let has_name = match kind {
            Kind::DockerFolder | Kind::Containerd => false,
            Kind::DockerScope => {
                self.docker(&id, &name)?;
                true
            }
            Kind::PodOfContainerd | Kind::PodFolder => {
                self.containerd(&id, &name, &pod)?;
                true
            }
            Kind::PodOfCrio => {
                self.crio(&id, &name, &pod)?;
                true
            }
            Kind::PodmanScope | Kind::PodmanFolder => {
                self.podman(&id, &name)?;
                true
            }
        };
        let runtime = match kind {
            Kind::DockerScope | Kind::DockerFolder => "docker",
            Kind::Containerd | Kind::PodOfContainerd | Kind::PodFolder => "containerd",
            Kind::PodOfCrio => "cri-o",
            Kind::PodmanScope | Kind::PodmanFolder => "podman",
        };
        let scope = path
            .split('/')
            .find(|step| step.strip_suffix(".scope").is_some());
        Ok(Known {
            name: match (has_name, in_pod) {
                (false, _) => format!("{}{PID_FILE}", &id[..12]),
                (true, false) => format!("{name}{PID_FILE}"),
                (true, true) => format!("shop/{pod}/{name}{PID_FILE}"),
            },
            container: json!({
                "id": id,
                "name": has_name.then_some(name),
                "pod": in_pod.then_some(pod),
                "namespace": in_pod.then_some("shop"),
                "runtime": runtime,
            }),
            unit: json!(scope),
            path,
        })
    }

    fn docker(&self, id: &str, name: &str) -> Result<()> {
        let state = json!({"ID": id, "Name": format!("/{name}"), "Config": {"Labels": {}}});
        self.put(
            &format!("var/lib/docker/containers/{id}/config.v2.json"),
            &state,
        )
    }

    fn containerd(&self, id: &str, name: &str, pod: &str) -> Result<()> {
        let annotations = json!({
            "io.kubernetes.cri.container-name": name,
            "io.kubernetes.cri.sandbox-name": pod,
            "io.kubernetes.cri.sandbox-namespace": "shop",
        });
        let tasks = "run/containerd/io.containerd.runtime.v2.task/k8s.io";
        let path = format!("{tasks}/{id}/config.json");
        self.put(&path, &json!({ "annotations": annotations }))
    }

    fn crio(&self, id: &str, name: &str, pod: &str) -> Result<()> {
        let annotations = json!({
            "io.container.manager": "cri-o",
            "io.kubernetes.container.name": name,
            "io.kubernetes.pod.name": pod,
            "io.kubernetes.pod.namespace": "shop",
        });
        let bundles = "run/containers/storage/overlay-containers";
        let path = format!("{bundles}/{id}/userdata/config.json");
        self.put(&path, &json!({ "annotations": annotations }))
    }

    /// podman's list of containers, to which this one is added.
    fn podman(&self, id: &str, name: &str) -> Result<()> {
        let path = "var/lib/containers/storage/overlay-containers/containers.json";
        let text = fs::read(self.host.path().join(path)).unwrap_or_else(|_| b"[]".to_vec());
        let mut list: Vec<Value> = serde_json::from_slice(&text)?;
        list.push(json!({"id": id, "names": [name]}));
        self.put(path, &json!(list))
    }

    fn put(&self, path: &str, content: &Value) -> Result<()> {
        let path = self.host.path().join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, content.to_string()).with_context(|| path.display().to_string())
    }
}

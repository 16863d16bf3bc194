//! The agent in the container that `deploy/kubernetes` describes, translated as a node does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::crun::Container;
use super::in_network_of;
use crate::http;
use crate::wait::{DEADLINE, until};

/// The node that the pod believes to be on.
pub const NODE: &str = "node-1";
/// The program of the image, which the manifests do not name.
pub const ENTRYPOINT: &str = "/usr/bin/nginx-probe";
/// What the usual default profiles refuse: the first to everybody, the others to whoever has no
/// `CAP_SYS_ADMIN`.
const REFUSED: [&str; 15] = [
    "add_key",
    "init_module",
    "keyctl",
    "open_by_handle_at",
    "userfaultfd",
    "fanotify_init",
    "fsopen",
    "lookup_dcookie",
    "mount",
    "name_to_handle_at",
    "pivot_root",
    "quotactl",
    "setns",
    "umount2",
    "unshare",
];
const REFUSED_TO_ALL: usize = 5;
/// The error of a system call that a kernel does not have.
const ENOSYS: u32 = 38;
/// What runtimes hide of /proc and /sys, and what they let nobody write.
const MASKED: [&str; 5] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/scsi",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The `DaemonSet` as it is shipped.
pub fn shipped() -> Result<Value> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes/base/daemonset.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

/// The agent in its container. Dropping it kills it.
#[derive(Debug)]
pub struct AgentPod {
    /// The container.
    pub container: Container,
    port: u16,
    state: TempDir,
}

impl AgentPod {
    /// Runs the agent of this root as the `DaemonSet` says, with other arguments if there are some.
    pub fn start(root: &Path, daemon_set: &Value, arguments: Option<&[&str]>) -> Result<Self> {
        let state = tempfile::Builder::new()
            .prefix("nginx-probe-state-")
            .tempdir()?;
        let config = runtime(root, daemon_set, state.path(), arguments)?;
        let port = at(
            daemon_set,
            "/spec/template/spec/containers/0/ports/0/containerPort",
        )?
        .as_u64()
        .and_then(|port| u16::try_from(port).ok())
        .context("no port")?;
        Ok(Self {
            container: Container::start(&config)?,
            port,
            state,
        })
    }

    /// Waits until `/healthz` says that it is ready, as the startup probe does.
    pub fn wait_ready(&mut self) -> Result<()> {
        let ready = until("the pod is ready", DEADLINE, || {
            self.container.ensure_runs()?;
            Ok(self
                .get("/healthz")
                .ok()
                .filter(|(status, _)| *status == 200))
        });
        ready.map(drop).with_context(|| self.container.told())
    }

    /// Asks its listener.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        in_network_of(self.container.pid(), || http::get_text(self.port, path))
    }

    /// The records that it wrote to standard output so far.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        let text = self.container.stdout();
        let lines = text.lines().map(serde_json::from_str);
        lines.filter_map(Result::ok).collect()
    }

    /// The first record that passes `wanted`.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait_until(what, DEADLINE, |records| {
            records.iter().find(|record| wanted(record)).cloned()
        })
    }

    /// Waits until `look` finds what it wants in all records so far.
    pub fn wait_until<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl Fn(&[Value]) -> Option<T>,
    ) -> Result<T> {
        until(what, limit, || Ok(look(&self.records()))).with_context(|| self.container.told())
    }

    /// What it keeps on the node.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.state.path()
    }
}

/// The runtime's configuration of the agent's container.
fn runtime(root: &Path, set: &Value, state: &Path, arguments: Option<&[&str]>) -> Result<Value> {
    let pod = at(set, "/spec/template/spec")?;
    let container = at(pod, "/containers/0")?;
    let security = at(container, "/securityContext")?;
    let flag = |of: &Value, name: &str| of.get(name).and_then(Value::as_bool).unwrap_or(false);
    ensure!(
        at(security, "/capabilities/drop")? == &json!(["ALL"]),
        "not all other capabilities are dropped"
    );
    let capabilities: Vec<String> = strings(at(security, "/capabilities/add")?)
        .map(|name| format!("CAP_{name}"))
        .collect();
    // Profiles let the others through for who has it.
    let refused = if capabilities.iter().any(|name| name == "CAP_SYS_ADMIN") {
        &REFUSED[..REFUSED_TO_ALL]
    } else {
        &REFUSED
    };
    let mut args = vec![ENTRYPOINT.to_owned()];
    match arguments {
        Some(arguments) => args.extend(arguments.iter().map(|&argument| argument.to_owned())),
        None => args.extend(strings(at(container, "/args")?).map(str::to_owned)),
    }
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}),
    ];
    for mount in at(container, "/volumeMounts")?
        .as_array()
        .into_iter()
        .flatten()
    {
        // There is one volume: the state.
        mounts.push(json!({
            "destination": at(mount, "/mountPath")?, "type": "bind", "source": state,
            "options": ["rbind", "rprivate", if flag(mount, "readOnly") { "ro" } else { "rw" }],
        }));
    }
    let mut namespaces = vec![
        json!({"type": "mount"}),
        json!({"type": "ipc"}),
        json!({"type": "uts"}),
    ];
    if !flag(pod, "hostPID") {
        namespaces.push(json!({"type": "pid"}));
    }
    if !flag(pod, "hostNetwork") {
        namespaces.push(json!({"type": "network"}));
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "hostname": "nginx-probe-x7k2p",
        "process": {
            "user": {
                "uid": at(security, "/runAsUser")?, "gid": at(security, "/runAsGroup")?,
            },
            "args": args,
            "env": environment(container)?,
            "cwd": "/",
            "noNewPrivileges": !flag(security, "allowPrivilegeEscalation"),
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
        },
        "root": {"path": root, "readonly": flag(security, "readOnlyRootFilesystem")},
        "mounts": mounts,
        "linux": {
            "namespaces": namespaces,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [
                    {"names": refused, "action": "SCMP_ACT_ERRNO"},
                    // Its flags are in memory, where no filter sees them: the C library is to take clone.
                    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
                ],
            },
        },
    }))
}

fn environment(container: &Value) -> Result<Vec<String>> {
    let mut environment = Vec::new();
    for variable in at(container, "/env")?.as_array().into_iter().flatten() {
        let name = at(variable, "/name")?.as_str().unwrap_or_default();
        let value = match variable.pointer("/valueFrom/fieldRef/fieldPath") {
            Some(path) => {
                ensure!(path == "spec.nodeName", "{name} is of {path}");
                NODE
            }
            None => at(variable, "/value")?.as_str().unwrap_or_default(),
        };
        environment.push(format!("{name}={value}"));
    }
    Ok(environment)
}

fn at<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value> {
    value
        .pointer(pointer)
        .with_context(|| format!("the manifest has no {pointer}"))
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

//! Values that the chart takes, and values that its schema refuses.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Releases of Kubernetes whose schemas are asked: the oldest that the chart allows, both sides of 1.30,
/// which made `AppArmor`'s profile a field, and the newest that is known.
pub(crate) const RELEASES: [&str; 4] = ["1.25", "1.29", "1.30", "1.37"];
/// Those on which the manifests for Kustomize work, which have that field.
pub(crate) const KUSTOMIZE_RELEASES: [&str; 2] = ["1.30", "1.37"];
/// What is applied with Kustomize, below `deploy/kubernetes`.
pub(crate) const KUSTOMIZATIONS: [&str; 3] = ["base", "overlays/edge", "overlays/full"];

/// Settings that must not be taken, and the name in what helm says of it.
pub(crate) const REFUSED: [(&str, &str); 16] = [
    ("imag.repository=x", "imag"),
    ("image.repository=", "repository"),
    ("image.digest=sha256:12", "digest"),
    ("image.pullPolicy=Sometimes", "pullPolicy"),
    ("listen.port=0", "port"),
    ("listen.port=70000", "port"),
    ("listen.address=localhost", "address"),
    ("logLevel=loud", "logLevel"),
    ("state.hostPath=var/lib", "hostPath"),
    ("securityContext.runAsUser=1000", "runAsUser"),
    ("securityContext.capabilities.add={CAP_BPF}", "capabilities"),
    ("securityContext.capabilities.add={BPF,BPF}", "capabilities"),
    ("resources.limits.memory=much", "memory"),
    ("updateStrategy.rollingUpdate.maxSurge=1", "maxSurge"),
    ("podMonitor.interval=often", "interval"),
    ("appArmorProfile=Localhost", "appArmorProfile"),
];

/// A set of values that the chart renders.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Nothing but the defaults when there is none.
    pub(crate) file: Option<PathBuf>,
}

/// The defaults, every value, and each example of `deploy/helm/examples`.
///
/// # Errors
/// When the examples cannot be listed.
pub(crate) fn all(repo: &Path) -> Result<Vec<Case>> {
    let every = repo.join("xtask/src/manifests/values/every.yaml");
    let mut cases = vec![
        Case {
            name: "defaults".to_owned(),
            file: None,
        },
        Case {
            name: "every".to_owned(),
            file: Some(every),
        },
    ];
    let examples = repo.join("deploy/helm/examples");
    let entries =
        fs::read_dir(&examples).with_context(|| format!("listing {}", examples.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    cases.extend(files.into_iter().map(|file| {
        Case {
            name: file
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            file: Some(file),
        }
    }));
    Ok(cases)
}

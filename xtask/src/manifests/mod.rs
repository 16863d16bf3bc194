//! `cargo xtask manifests`: the chart and the manifests for Kustomize, rendered by the programs that
//! operators use, and checked against the API of several releases of Kubernetes.

mod cases;
mod programs;
mod same;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use self::cases::{Case, KUSTOMIZATIONS, KUSTOMIZE_RELEASES, REFUSED, RELEASES};
use self::programs::Programs;
use crate::build;
use crate::progress;
use crate::tools::Tools;

/// `cargo xtask manifests`.
pub(crate) fn run(repo: &Path) -> Result<()> {
    let programs = Programs::ensure(&Tools::find()?)?;
    let work = build::target_folder(repo).join("manifests");
    fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let chart = repo.join("deploy/helm/nginx-probe");
    let cases = cases::all(repo)?;
    let said = progress::output(programs.helm(&work).args(["version", "--short"]))?;
    println!("helm {}", said.trim());
    for case in &cases {
        lint(&programs, &work, &chart, case)?;
    }
    println!("helm lint --strict: {} sets of values", cases.len());

    let mut base = String::new();
    let mut kustomized = Vec::new();
    for name in KUSTOMIZATIONS {
        let folder = repo.join("deploy/kubernetes").join(name);
        let rendered = progress::output(programs.kubectl().arg("kustomize").arg(folder))
            .with_context(|| format!("rendering {name} with kustomize"))?;
        kustomized.push(put(
            &work,
            &format!("kustomize-{}", name.replace('/', "-")),
            &rendered,
        )?);
        if name == "base" {
            base = rendered;
        }
    }
    for release in KUSTOMIZE_RELEASES {
        programs.validate(release, &work, &kustomized)?;
    }
    println!(
        "kustomize: {} valid for Kubernetes {}",
        KUSTOMIZATIONS.join(", "),
        KUSTOMIZE_RELEASES.join(", ")
    );

    for release in RELEASES {
        let mut files = Vec::new();
        for case in &cases {
            let rendered = progress::output(&mut template(&programs, &work, &chart, case, release))
                .with_context(|| format!("rendering the chart with {}", case.name))?;
            files.push(put(
                &work,
                &format!("helm-{}-{release}", case.name),
                &rendered,
            )?);
            if case.file.is_none() && KUSTOMIZE_RELEASES.contains(&release) {
                same::check(&rendered, &base)?;
            }
        }
        programs.validate(release, &work, &files)?;
    }
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    println!(
        "helm: {} valid for Kubernetes {}",
        names.join(", "),
        RELEASES.join(", ")
    );
    println!("the chart's defaults are the pod of deploy/kubernetes/base");

    for (setting, name) in REFUSED {
        refused(&programs, &work, &chart, setting, name)?;
    }
    println!(
        "values.schema.json refuses {} settings, each for itself",
        REFUSED.len()
    );
    println!(
        "a PodMonitor is the Prometheus Operator's: checked against a schema of what is used of it"
    );
    Ok(())
}

fn lint(programs: &Programs, work: &Path, chart: &Path, case: &Case) -> Result<()> {
    let mut helm = programs.helm(work);
    helm.args(["lint", "--strict"]).arg(chart);
    if let Some(file) = &case.file {
        helm.arg("--values").arg(file);
    }
    progress::output(&mut helm)
        .map(drop)
        .with_context(|| format!("helm lint with {}", case.name))
}

fn template(programs: &Programs, work: &Path, chart: &Path, case: &Case, release: &str) -> Command {
    let mut helm = programs.helm(work);
    helm.args(["template", "nginx-probe"]).arg(chart).args([
        "--namespace",
        "nginx-probe",
        "--kube-version",
        release,
    ]);
    if let Some(file) = &case.file {
        helm.arg("--values").arg(file);
    }
    helm
}

/// Makes sure that the schema, and nothing else, refuses a setting.
fn refused(
    programs: &Programs,
    work: &Path,
    chart: &Path,
    setting: &str,
    name: &str,
) -> Result<()> {
    let mut helm = programs.helm(work);
    helm.args(["template", "nginx-probe"])
        .arg(chart)
        .args(["--set", setting]);
    let output = helm.output().context("starting helm")?;
    if output.status.success() {
        bail!("values.schema.json lets {setting} through");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        said.contains("don't meet the specifications of the schema") && said.contains(name),
        "{setting} is not refused by values.schema.json: {said}"
    );
    Ok(())
}

fn put(work: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = work.join(name).with_added_extension("yaml");
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

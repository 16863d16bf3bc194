//! The bill of materials: what the agent is made of, in the format `CycloneDX`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::package;
use crate::package::arch::Arch;
use crate::package::cargo_tools::{self, CYCLONEDX};
use crate::progress;
use crate::tools::Tools;

/// The workspace's members, by their folders.
const MEMBERS: [&str; 4] = ["probe-ebpf", "probe-user", "tests", "xtask"];

/// Writes the bill for one machine beside its packages, and gives its path.
///
/// # Errors
/// When cargo-cyclonedx cannot be built or fails.
pub(crate) fn write(repo: &Path, tools: &Tools, arch: Arch, version: &str) -> Result<PathBuf> {
    cargo_tools::ensure(tools, &[CYCLONEDX])?;
    let work = package::work_folder(repo, arch).join("sbom");
    mirror(repo, &work).with_context(|| format!("laying out {}", work.display()))?;
    let mut command = Command::new(CYCLONEDX.program(tools));
    command
        .current_dir(&work)
        .arg("cyclonedx")
        .arg("--manifest-path")
        .arg(work.join("probe-user/Cargo.toml"))
        .args([
            "--format",
            "json",
            "--spec-version",
            "1.5",
            "--no-build-deps",
        ])
        .args(["--override-filename", "sbom", "--target"])
        .arg(arch.rust_target());
    progress::output(&mut command).context("writing the bill of materials")?;
    let made = fs::read_to_string(work.join("probe-user/sbom.json"))
        .context("cargo-cyclonedx left no bill of materials")?;
    let mut bill: Value = serde_json::from_str(&made).context("reading the bill of materials")?;
    relocate(&mut bill, &format!("file://{}", work.display()));
    let path =
        package::folder(repo).join(format!("nginx-probe_{version}_{}.cdx.json", arch.debian()));
    let text = serde_json::to_string_pretty(&bill).context("writing the bill of materials")?;
    fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// A workspace of the same members, so that what cargo-cyclonedx writes beside each manifest is not left in
/// the repository.
fn mirror(repo: &Path, work: &Path) -> std::io::Result<()> {
    if work.exists() {
        fs::remove_dir_all(work)?;
    }
    fs::create_dir_all(work)?;
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(repo.join(file), work.join(file))?;
    }
    for member in MEMBERS {
        fs::create_dir(work.join(member))?;
        for entry in fs::read_dir(repo.join(member))? {
            let entry = entry?;
            let copy = work.join(member).join(entry.file_name());
            if entry.file_name() == "Cargo.toml" {
                fs::copy(entry.path(), copy)?;
            } else {
                symlink(entry.path(), copy)?;
            }
        }
    }
    Ok(())
}

/// Replaces the folder of the mirror, which says nothing to anybody else.
fn relocate(value: &mut Value, folder: &str) {
    match value {
        Value::String(text) => *text = text.replace(folder, "file:///nginx-probe"),
        Value::Array(values) => values.iter_mut().for_each(|value| relocate(value, folder)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| relocate(value, folder)),
        _ => {}
    }
}

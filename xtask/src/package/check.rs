//! What lintian and rpmlint say of the packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::toolchain;

/// Judges a package of Debian's kind.
///
/// # Errors
/// When lintian finds something, or is not there.
pub(crate) fn deb(package: &Path) -> Result<()> {
    let mut lintian = program("lintian")?;
    lintian
        .args([
            "--profile",
            "debian",
            "--allow-root",
            "--info",
            "--tag-display-limit",
            "0",
        ])
        .args(["--fail-on", "error,warning"])
        .arg(package);
    pass(&mut lintian, package)
}

/// Judges an RPM package.
///
/// # Errors
/// When rpmlint finds an error, or is not there.
pub(crate) fn rpm(repo: &Path, package: &Path) -> Result<()> {
    let mut rpmlint = program("rpmlint")?;
    rpmlint
        .arg("--config")
        .arg(repo.join("deploy/package/rpm/rpmlint.toml"))
        .arg(package);
    pass(&mut rpmlint, package)
}

fn program(name: &str) -> Result<Command> {
    let path = toolchain::on_path(name).with_context(|| {
        format!(
            "there is no {name} on PATH to check the package with: apt-get install lintian rpmlint"
        )
    })?;
    Ok(Command::new(path))
}

fn pass(command: &mut Command, package: &Path) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    eprintln!("== {name} {}", package.display());
    let status = command
        .status()
        .with_context(|| format!("starting {name}"))?;
    if !status.success() {
        bail!(
            "{name} finds fault with {} ({status}); it is above",
            package.display()
        );
    }
    Ok(())
}

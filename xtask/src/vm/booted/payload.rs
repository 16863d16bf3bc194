//! What a run brings into the guest: an archive, which the guest has as its second disk.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{
    DROP_IN, FOLDER, NEXT_PACKAGE, OTHER_UNIT, Options, PACKAGE, PARTS, PATIENCE, PROGRAM, START,
    SUBCOMMAND, deb,
};
use crate::progress;

/// Writes the archive to `path`.
///
/// # Errors
/// When a part of it cannot be read.
pub(super) fn write(path: &Path, package: &Path, options: &Options<'_>) -> Result<()> {
    let folder = tempfile::tempdir().context("making a folder for the guest's files")?;
    let place = |name: &str| folder.path().join(name);
    let this = env::current_exe().context("asking which program this is")?;
    stripped(&this, &place(PROGRAM))?;
    deb::with_higher_version(package, &place(NEXT_PACKAGE))?;
    for (from, name) in [
        (Some(package), PACKAGE),
        (options.unit, OTHER_UNIT),
        (options.drop_in, DROP_IN),
    ] {
        if let Some(from) = from {
            fs::copy(from, place(name)).with_context(|| format!("reading {}", from.display()))?;
        }
    }
    let start = format!(
        "#!/bin/sh\nexport NGINX_PROBE_TEST_PATIENCE={PATIENCE} RUST_BACKTRACE=0\n\
         exec {FOLDER}/{PROGRAM} {SUBCOMMAND}\n"
    );
    fs::write(place(START), start)
        .and_then(|()| fs::set_permissions(place(START), PermissionsExt::from_mode(0o755)))
        .context("writing the guest's first script")?;
    fs::write(place(PARTS), options.parts.join("\n")).context("writing the names of the parts")?;
    let mut tar = Command::new("tar");
    tar.arg("-C")
        .arg(folder.path())
        .arg("-cf")
        .args([path, Path::new(".")]);
    progress::output(&mut tar).map(drop)
}

/// Copies a program without its debugging information, which is most of it.
fn stripped(from: &Path, to: &Path) -> Result<()> {
    let mut strip = Command::new("strip");
    strip.arg("--strip-debug").arg("-o").args([to, from]);
    // Without `strip` the archive is larger, no more.
    if !strip.output().is_ok_and(|output| output.status.success()) {
        fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

//! The Debian package that is tried, with a higher version.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::progress;

/// Ends a version that is higher than the same without it.
const HIGHER: &str = "+next";

/// Writes the same package with a higher version to `to`.
///
/// # Errors
/// When it is no Debian package.
pub(super) fn with_higher_version(package: &Path, to: &Path) -> Result<()> {
    let root = tempfile::tempdir().context("making a folder for the package")?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--raw-extract").args([package, root.path()]);
    progress::output(&mut unpack).with_context(|| format!("unpacking {}", package.display()))?;
    let control = root.path().join("DEBIAN/control");
    let text = fs::read_to_string(&control)
        .with_context(|| format!("reading the control file of {}", package.display()))?;
    fs::write(&control, raised(&text)).context("writing the package's control file")?;
    pack(root.path(), to)
}

fn pack(root: &Path, to: &Path) -> Result<()> {
    let mut pack = Command::new("dpkg-deb");
    // Quick to unpack, where the guest is emulated.
    pack.args(["--root-owner-group", "-Zgzip", "-z1", "--build"])
        .args([root, to]);
    progress::output(&mut pack).map(drop)
}

/// A control file with a higher version.
fn raised(control: &str) -> String {
    let mut text = String::new();
    for line in control.lines() {
        text.push_str(line.trim_end());
        if line.starts_with("Version:") {
            text.push_str(HIGHER);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_is_raised() {
        let control = "Package: one\nVersion: 1.2-3 \nDescription: a\n Version: of all\n";
        assert_eq!(
            raised(control),
            "Package: one\nVersion: 1.2-3+next\nDescription: a\n Version: of all\n"
        );
    }
}

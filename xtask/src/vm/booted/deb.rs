//! The Debian package that is tried, and the same with a higher version.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::build;
use crate::progress;

/// Ends a version that is higher than the same without it.
const HIGHER: &str = "+next";
const CONTROL: &str = "\
Package: nginx-probe
Version: 0.1.0
Architecture: amd64
Maintainer: nobody <nobody@localhost>
Description: tells why clients get HTTP 500s from nginx
";
const SCRIPTS: [(&str, &str); 3] = [
    (
        "postinst",
        "#!/bin/sh\nset -e\n[ \"$1\" = configure ] || exit 0\nsystemctl daemon-reload\n\
         systemctl enable nginx-probe\nsystemctl restart nginx-probe\n",
    ),
    (
        "prerm",
        "#!/bin/sh\nset -e\n[ \"$1\" = remove ] || exit 0\nsystemctl disable --now nginx-probe\n",
    ),
    (
        "postrm",
        "#!/bin/sh\nset -e\nsystemctl daemon-reload\n[ \"$1\" != purge ] || rm -rf /var/lib/nginx-probe\n",
    ),
];

/// Builds the package.
///
/// # Errors
/// When something does not compile, or the package cannot be written.
pub(super) fn build(repo: &Path) -> Result<PathBuf> {
    let agent = build::both(repo, false)?;
    let root = tempfile::tempdir().context("making a folder for the package")?;
    for (from, to) in [
        (agent, "usr/bin/nginx-probe"),
        (
            repo.join("deploy/nginx-probe.service"),
            "lib/systemd/system/nginx-probe.service",
        ),
    ] {
        let to = root.path().join(to);
        let folder = to.parent().context("a file has a folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
    }
    let control = root.path().join("DEBIAN");
    fs::create_dir(&control).context("making the package's control folder")?;
    fs::write(control.join("control"), CONTROL).context("writing the package's control file")?;
    for (name, text) in SCRIPTS {
        let path = control.join(name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, PermissionsExt::from_mode(0o755)))
            .with_context(|| format!("writing the package's {name}"))?;
    }
    let folder = repo.join("target/vm");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let package = folder.join("nginx-probe.deb");
    pack(root.path(), &package)?;
    Ok(package)
}

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

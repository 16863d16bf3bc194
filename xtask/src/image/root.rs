//! The files of the image: the agent, the libraries it is linked to, and whose they are.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nginx_probe_tests::container::root::Root;

use crate::progress;

/// The agent's place; `deploy/container/image.json` starts it there.
const AGENT: &str = "/usr/bin/nginx-probe";
/// Users by name, for records that name one, and for `--user`.
const PASSWD: &str =
    "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";
/// Where runtimes mount something; with a root that nobody writes to they are there already.
const MOUNTS: [&str; 4] = ["/proc", "/sys", "/dev", "/var/lib/nginx-probe"];

/// What the files are made of.
pub(crate) struct Sources<'a> {
    pub(crate) repo: &'a Path,
    pub(crate) agent: &'a Path,
    /// The licenses of the crates that are linked into the agent.
    pub(crate) licenses: &'a str,
}

/// Lays the files out in this folder, which is emptied before.
///
/// # Errors
/// When one cannot be read or written, or a library is of no package of this machine.
pub(crate) fn write(folder: &Path, from: &Sources<'_>) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("emptying {}", folder.display()));
        }
        _ => {}
    }
    let mut root = Root::new(folder);
    root.program(from.agent, AGENT)?;
    for mount in MOUNTS {
        root.folder(mount, 0o755)?;
    }
    root.file("/etc/passwd", PASSWD.as_bytes())?;
    root.file("/etc/group", GROUP.as_bytes())?;
    let documents = "/usr/share/doc/nginx-probe";
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        root.copy(
            &from.repo.join(license),
            &format!("{documents}/{license}"),
            0o644,
        )?;
    }
    root.file(
        &format!("{documents}/third-party-licenses"),
        from.licenses.as_bytes(),
    )?;
    for package in packages(root.libraries())? {
        // As Debian's own images without a package manager have it: scanners of images look there.
        let status = progress::output(Command::new("dpkg-query").args(["--status", &package]))?;
        let name = package.split(':').next().unwrap_or(&package);
        root.file(&format!("/var/lib/dpkg/status.d/{name}"), status.as_bytes())?;
        let copyright = format!("/usr/share/doc/{name}/copyright");
        root.copy(Path::new(&copyright), &copyright, 0o644)?;
    }
    Ok(())
}

/// The packages of Debian's that these files came with.
fn packages<'a>(libraries: impl Iterator<Item = &'a Path>) -> Result<BTreeSet<String>> {
    let mut packages = BTreeSet::new();
    for library in libraries {
        let Some(package) = names(library).iter().find_map(|name| owner(name)) else {
            bail!(
                "{} is of no package that dpkg knows, so its license is not known: make the image on Debian",
                library.display()
            );
        };
        packages.insert(package);
    }
    Ok(packages)
}

/// What dpkg may call a file: with and without the `/usr` that a link of the root leads to.
fn names(library: &Path) -> [PathBuf; 2] {
    let other = library.strip_prefix("/usr").map_or_else(
        |_| Path::new("/usr").join(library.strip_prefix("/").unwrap_or(library)),
        |below| Path::new("/").join(below),
    );
    [library.to_path_buf(), other]
}

fn owner(file: &Path) -> Option<String> {
    let mut search = Command::new("dpkg-query");
    search.env("LC_ALL", "C").arg("--search").arg(file);
    let said = progress::output(&mut search).ok()?;
    let (package, _) = said.lines().next()?.split_once(": ")?;
    Some(package.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_looked_for_on_both_sides_of_usr() {
        let [given, other] = names(Path::new("/lib/x/libc.so.6"));
        assert_eq!(given, Path::new("/lib/x/libc.so.6"));
        assert_eq!(other, Path::new("/usr/lib/x/libc.so.6"));
        let [_, other] = names(Path::new("/usr/lib/x/libc.so.6"));
        assert_eq!(other, Path::new("/lib/x/libc.so.6"));
    }
}

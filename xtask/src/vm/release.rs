//! Packages of another Debian release than the machine's, unpacked into a folder of the tools.
//!
//! apt fetches them with lists of its own, from the mirror that the machine uses; neither the
//! machine's lists nor its packages take part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::{self, Step};
use crate::tools::Tools;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The package that names the newest kernel's.
const KERNEL: &str = "linux-image-cloud-amd64";

/// What a guest starts from.
pub(crate) struct Guest {
    root: PathBuf,
}

impl Guest {
    /// The kernel itself.
    pub(crate) fn kernel(&self) -> Result<PathBuf> {
        let folder = self.root.join("boot");
        only(&folder, "vmlinuz-")
    }

    /// Where its modules are.
    pub(crate) fn modules(&self) -> Result<PathBuf> {
        // Since Debian 13 packages put them where `/lib` leads.
        let places = ["lib/modules", "usr/lib/modules"].map(|place| self.root.join(place));
        let [old, new] = &places;
        only(if old.is_dir() { old } else { new }, "")
    }

    /// A shell and the usual commands, in one program that needs no library.
    pub(crate) fn busybox(&self) -> PathBuf {
        let old = self.root.join("bin/busybox");
        if old.is_file() {
            old
        } else {
            self.root.join("usr/bin/busybox")
        }
    }
}

/// The kernel of a release, when it is in place.
pub(crate) fn find(tools: &Tools, release: &str) -> Option<Guest> {
    let root = tools.path(&format!("{}/root", folder(release)));
    tools.has(&stamp(release), KERNEL).then_some(Guest { root })
}

/// Fetches the newest kernel of a release, and its busybox.
///
/// # Errors
/// When the machine has no Debian mirror, or the mirror does not have the release any more.
pub(crate) fn fetch(tools: &Tools, release: &str, step: &Step) -> Result<()> {
    tools.remove(&folder(release))?;
    let apt = Apt::new(tools, release)?;
    step.run(apt.command("apt-get").arg("update"))
        .with_context(|| format!("fetching the package lists of Debian {release}"))?;
    let depends = progress::output(apt.command("apt-cache").args(["depends", KERNEL]))?;
    let kernel = real(&depends).with_context(|| format!("{KERNEL} names no kernel: {depends}"))?;
    let debs = tools.make(&format!("{}/debs", folder(release)))?;
    let mut download = apt.command("apt-get");
    download
        .args(["download", kernel, "busybox-static"])
        .current_dir(&debs);
    step.run(&mut download).context("downloading packages")?;
    let root = tools.make(&format!("{}/root", folder(release)))?;
    for entry in fs::read_dir(&debs).with_context(|| format!("reading {}", debs.display()))? {
        step.run(Command::new("dpkg").arg("-x").args([&entry?.path(), &root]))?;
    }
    for finished in ["debs", "apt"] {
        tools.remove(&format!("{}/{finished}", folder(release)))?;
    }
    tools.complete(&stamp(release), KERNEL)
}

fn folder(release: &str) -> String {
    format!("vm/{release}")
}

fn stamp(release: &str) -> String {
    format!("vm-{release}")
}

/// apt for one release.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(tools: &Tools, release: &str) -> Result<Self> {
        let within = format!("{}/apt", folder(release));
        let folder = tools.make(&within)?;
        for place in ["lists/partial", "cache/archives/partial"] {
            tools.make(&format!("{within}/{place}"))?;
        }
        let mirror = own_mirror()?;
        let signed = if Path::new(KEYRING).is_file() {
            format!("[signed-by={KEYRING}] ")
        } else {
            String::new()
        };
        let source = format!("deb {signed}{mirror} {release} main\n");
        for (name, content) in [("sources.list", source.as_str()), ("status", "")] {
            let path = folder.join(name);
            fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C");
        // Run as root, apt would download as a user who cannot write here.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command.args(["-o", "APT::Architecture=amd64"]);
        for (option, place) in [
            ("Dir::Etc::SourceList", "sources.list"),
            ("Dir::Etc::SourceParts", "none"),
            ("Dir::State::Lists", "lists"),
            // Nothing is installed, as far as this apt knows.
            ("Dir::State::Status", "status"),
            ("Dir::Cache", "cache"),
        ] {
            let place = self.folder.join(place);
            command
                .arg("-o")
                .arg(format!("{option}={}", place.display()));
        }
        command
    }
}

/// The mirror of Debian's archive that this machine uses.
///
/// # Errors
/// When it uses none.
pub(super) fn own_mirror() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)"]);
    let targets = progress::output(&mut targets)
        .context("asking apt for its sources (this needs Debian, or a relative of it)")?;
    let mirror = mirror(&targets)
        .context("there is no Debian mirror among apt's sources: add one of `main`")?;
    Ok(mirror.to_owned())
}

/// The first address that is Debian's own archive, not that of its security fixes or another's.
fn mirror(addresses: &str) -> Option<&str> {
    addresses
        .lines()
        .find(|address| address.trim_end_matches('/').ends_with("/debian"))
}

/// The package that `apt-cache depends` names.
fn real(depends: &str) -> Option<&str> {
    depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
}

/// The one entry of a folder whose name begins so.
pub(super) fn only(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    bail!("{} has no {prefix}…", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_debians_archive_and_no_other() {
        let addresses = "http://one.example/debian-security/\nhttp://two.example/tool/\n\
                         http://one.example/debian/\nhttp://three.example/debian/\n";
        assert_eq!(mirror(addresses), Some("http://one.example/debian/"));
        assert_eq!(mirror("http://one.example/ubuntu/\n"), None);
    }

    #[test]
    fn the_kernel_behind_the_name_is_found() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-9-cloud-amd64\n";
        assert_eq!(real(depends), Some("linux-image-6.1.0-9-cloud-amd64"));
        assert_eq!(real("linux-image-cloud-amd64\n"), None);
    }
}

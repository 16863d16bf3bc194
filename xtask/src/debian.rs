//! Debian's packages, unpacked into the tools folder instead of installed.
//!
//! Installing them would need root, would remove Debian's own `rustc`, and would start an nginx
//! on port 80. Unpacked, they change nothing on the machine.

use std::env::consts;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::{self, Step};
use crate::tools::Tools;

/// Never unpacked: a second C library beside the running one breaks every program that loads it.
const LEFT_TO_THE_SYSTEM: [&str; 3] = ["libc6", "libc-bin", "libc6-dev"];

/// Where the unpacked libraries are, inside the tools folder.
pub(crate) fn libraries() -> String {
    format!("root/usr/lib/{}-linux-gnu", consts::ARCH)
}

/// Whether this machine's archive has the compiler for the kernel half.
pub(crate) fn is_here() -> bool {
    let runs = |program: &str, args: &[&str]| {
        Command::new(program)
            .args(args)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !runs("apt-get", &["--version"]) || !runs("dpkg", &["--version"]) {
        return false;
    }
    // A fresh Debian may have no package lists yet; of a relative of Debian, ask its lists.
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "ID=debian")
        || runs("apt-cache", &["show", "libstd-rust-web-dev-bpf"])
}

/// The package archive, seen through the system's lists, or through lists of our own when the
/// system has none or has stale ones.
pub(crate) struct Archive<'a> {
    tools: &'a Tools,
    own_lists: bool,
    /// Another architecture, whose packages are to be had too.
    foreign: Option<&'static str>,
}

impl<'a> Archive<'a> {
    /// The archive as the system knows it.
    pub(crate) fn new(tools: &'a Tools) -> Self {
        Self {
            tools,
            own_lists: false,
            foreign: None,
        }
    }

    /// The archive with the packages of another architecture, such as `arm64`, beside this machine's.
    pub(crate) fn with_foreign(tools: &'a Tools, architecture: &'static str) -> Self {
        Self {
            tools,
            own_lists: false,
            foreign: Some(architecture),
        }
    }

    /// Fetches one package, without what it needs, unpacks it into `root/`, and gives its file's name.
    ///
    /// # Errors
    /// When the archive does not have it or cannot be reached, or the disk is full.
    pub(crate) fn unpack_alone(&mut self, package: &str, step: &Step) -> Result<String> {
        if !self.own_lists {
            self.update(step)?;
        }
        self.tools.remove("tmp/alone")?;
        let folder = self.tools.make("tmp/alone")?;
        let mut download = self.apt("apt-get")?;
        download.args(["download", package]).current_dir(&folder);
        step.run(&mut download)
            .with_context(|| format!("downloading {package}"))?;
        let entry = fs::read_dir(&folder)
            .with_context(|| format!("listing {}", folder.display()))?
            .next()
            .with_context(|| format!("apt-get download left nothing of {package}"))?
            .with_context(|| format!("listing {}", folder.display()))?;
        let root = self.tools.make("root")?;
        step.run(Command::new("dpkg").arg("-x").args([&entry.path(), &root]))?;
        self.tools.remove("tmp/alone")?;
        Ok(entry.file_name().to_string_lossy().into_owned())
    }

    /// Fetches `packages`, with what they need and the system has not, and unpacks all into `root/`.
    ///
    /// # Errors
    /// When the archive does not have them or cannot be reached, or the disk is full.
    pub(crate) fn unpack(&mut self, packages: &[&str], step: &Step) -> Result<()> {
        let files = match self.download(packages, step) {
            Ok(files) => files,
            Err(_) if !self.own_lists => {
                self.update(step)?;
                self.download(packages, step)?
            }
            Err(error) => return Err(error),
        };
        let root = self.tools.make("root")?;
        for file in &files {
            let file = self.tools.path("debs").join(file);
            step.run(Command::new("dpkg").arg("-x").args([&file, &root]))?;
        }
        // One place for all libraries, as on an installed system, where /lib is a link.
        merge(&root.join("lib"), &root.join("usr/lib"))?;
        self.tools.remove("tmp/empty")?;
        self.tools.remove("debs")
    }

    /// Downloads into `debs/` and gives the file names. A download that was cut short is resumed.
    fn download(&self, packages: &[&str], step: &Step) -> Result<Vec<String>> {
        // `--reinstall`, so that what the system has already is unpacked too.
        let plan = progress::output(
            self.apt("apt-get")?
                .args(["install", "--simulate", "--reinstall"])
                .arg("--no-install-recommends")
                .args(packages),
        )
        .with_context(|| format!("asking apt for {}", packages.join(" ")))?;
        let wanted = planned(&plan);
        if wanted.is_empty() {
            bail!("apt would install nothing for {}", packages.join(" "));
        }
        // Asked outside of `debs`: files that are there already would not be named.
        let uris = progress::output(
            self.apt("apt-get")?
                .args(["download", "--print-uris"])
                .args(&wanted)
                .current_dir(self.tools.make("tmp/empty")?),
        )?;
        let files = files(&uris);
        if files.len() != wanted.len() {
            bail!(
                "apt names {} files for {} packages ({})",
                files.len(),
                wanted.len(),
                wanted.join(" ")
            );
        }
        let debs = self.tools.make("debs")?;
        let mut download = self.apt("apt-get")?;
        download.arg("download").args(&wanted).current_dir(&debs);
        step.run(&mut download).context("downloading packages")?;
        for (file, size) in &files {
            let path = debs.join(file);
            let found = fs::metadata(&path)
                .with_context(|| format!("apt-get download left no {}", path.display()))?;
            if found.len() != *size {
                bail!("{} has {} bytes, not {size}", path.display(), found.len());
            }
        }
        Ok(files.into_iter().map(|(file, _)| file).collect())
    }

    /// Fetches package lists into the tools folder: this needs no root and leaves the system's alone.
    fn update(&mut self, step: &Step) -> Result<()> {
        self.own_lists = true;
        step.run(self.apt("apt-get")?.arg("update"))
            .context("fetching package lists (is the network there?)")
    }

    fn apt(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = Command::new(program);
        command
            .env("LC_ALL", "C")
            // Run as root, apt would download as a user who cannot write here.
            .args(["-o", "APT::Sandbox::User=root"]);
        if let Some(foreign) = self.foreign {
            let native = progress::output(Command::new("dpkg").arg("--print-architecture"))?;
            for architecture in [native.trim(), foreign] {
                command
                    .arg("-o")
                    .arg(format!("APT::Architectures::={architecture}"));
            }
        }
        if self.own_lists {
            self.tools.make("apt/lists/partial")?;
            self.tools.make("apt/cache/archives/partial")?;
            for (option, place) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
                let place = self.tools.path("apt").join(place);
                command
                    .arg("-o")
                    .arg(format!("{option}={}", place.display()));
            }
        }
        Ok(command)
    }
}

/// What `apt-get install --simulate` would install, as `name=version`.
fn planned(simulation: &str) -> Vec<String> {
    simulation
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
            let version = rest.split_once('(')?.1.split_whitespace().next()?;
            (!LEFT_TO_THE_SYSTEM.contains(&name)).then(|| format!("{name}={version}"))
        })
        .collect()
}

/// File name and size of each line of `apt-get download --print-uris`.
fn files(uris: &str) -> Vec<(String, u64)> {
    uris.lines()
        .filter(|line| line.starts_with('\''))
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
        })
        .collect()
}

/// Moves everything below `from` to the same place below `into`.
fn merge(from: &Path, into: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    let moved = || -> std::io::Result<()> {
        fs::create_dir_all(into)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = into.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                merge(&entry.path(), &target).map_err(std::io::Error::other)?;
            } else {
                fs::rename(entry.path(), target)?;
            }
        }
        fs::remove_dir(from)
    };
    moved().with_context(|| format!("moving {} into {}", from.display(), into.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_names_new_and_upgraded_packages_but_not_the_c_library() {
        let plan = "\
NOTE: This is only a simulation!
Remv rustc [1.63.0]
Inst libc6 [2.36-9] (2.36-10 Debian:12/oldstable [amd64])
Inst libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
Inst zlib1g-dev [1:1.2.13] (1:1.2.14 Debian:12.15/oldstable [amd64]) []
Conf libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
";
        assert_eq!(
            planned(plan),
            ["libllvm22=1:22.1.8-1~deb12u1", "zlib1g-dev=1:1.2.14"]
        );
    }

    #[test]
    fn the_files_to_come_are_known_before_the_download() {
        let uris = "\
Reading package lists...
'http://deb.example/pool/a_1%3a2_amd64.deb' a_1%3a2_amd64.deb 1234 SHA256:00ff
";
        assert_eq!(files(uris), [("a_1%3a2_amd64.deb".to_owned(), 1234)]);
    }

    #[test]
    fn libraries_of_both_places_end_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("lib");
        let new = folder.path().join("usr/lib");
        fs::create_dir_all(old.join("triple")).unwrap();
        fs::create_dir_all(new.join("triple")).unwrap();
        fs::write(old.join("triple/one.so"), "").unwrap();
        std::os::unix::fs::symlink("one.so", old.join("triple/link.so")).unwrap();
        fs::write(new.join("triple/two.so"), "").unwrap();
        merge(&old, &new).unwrap();
        assert!(!old.exists());
        for name in ["one.so", "two.so", "link.so"] {
            assert!(new.join("triple").join(name).is_file(), "{name}");
        }
    }
}

//! `cargo xtask package`: what an operator installs.

mod arch;
mod cargo_tools;
mod check;
mod cross;
pub(crate) mod deny;
mod glibc;
mod licenses;
mod manifest;
mod sbom;
mod stage;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use self::arch::Arch;
use self::cargo_tools::{DEB, RPM};
use crate::build;
use crate::progress;
use crate::setup;
use crate::tools::Tools;

/// Who makes the packages, unless the environment says it as Debian's tools read it.
const MAINTAINER: (&str, &str) = (
    "nginx-probe contributors",
    "maintainers@nginx-probe.invalid",
);

/// Options of `cargo xtask package`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Make the package for Debian's kin only
    #[arg(long, conflicts_with = "rpm")]
    deb: bool,
    /// Make the RPM package only
    #[arg(long)]
    rpm: bool,
    /// For this machine (repeatable) [default: the one that this runs on]
    #[arg(long, value_name = "ARCH")]
    arch: Vec<Arch>,
    /// Say that the package for Debian's kin is of this version: a higher one tries an upgrade
    #[arg(long, value_name = "VERSION")]
    deb_version: Option<String>,
    /// Judge the packages with lintian and rpmlint, and the dependencies as `cargo xtask deny` does
    #[arg(long)]
    check: bool,
}

/// `cargo xtask package`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    let archs = if args.arch.is_empty() {
        vec![Arch::native()?]
    } else {
        args.arch.clone()
    };
    let mut made = Vec::new();
    for arch in archs {
        let staged = Staged::new(repo, arch)?;
        if !args.rpm {
            let deb = staged.deb(repo, args.deb_version.as_deref())?;
            if args.check {
                check::deb(&deb)?;
            }
            made.push(deb);
        }
        if !args.deb {
            let rpm = staged.rpm(repo)?;
            if args.check {
                check::rpm(repo, &rpm)?;
            }
            made.push(rpm);
        }
        made.push(sbom::write(repo, &staged.tools, arch, &staged.version)?);
        if let Some(release) = staged.needs.glibc {
            eprintln!(
                "the program for {} needs glibc {release} or later",
                arch.debian()
            );
        }
    }
    if args.check {
        deny::run(repo)?;
    }
    for path in made {
        println!("{}", path.display());
    }
    Ok(())
}

/// Makes the package of Debian's kind for this machine and gives its path.
///
/// # Errors
/// When a part of it cannot be built.
pub(crate) fn deb(repo: &Path) -> Result<PathBuf> {
    Staged::new(repo, Arch::native()?)?.deb(repo, None)
}

/// Where packages are left.
pub(crate) fn folder(repo: &Path) -> PathBuf {
    build::target_folder(repo).join("package")
}

/// What packages of one machine are made of, as left between two runs.
fn work_folder(repo: &Path, arch: Arch) -> PathBuf {
    folder(repo).join("work").join(arch.debian())
}

/// The files of the packages of one machine, laid out for both kinds.
struct Staged {
    tools: Tools,
    arch: Arch,
    version: String,
    needs: glibc::Needs,
    work: PathBuf,
}

impl Staged {
    fn new(repo: &Path, arch: Arch) -> Result<Self> {
        let work = work_folder(repo, arch);
        fs::create_dir_all(work.join("src"))
            .with_context(|| format!("making {}", work.display()))?;
        // What runs here also writes the manual pages and so on for other machines.
        let native = build::both(repo, false)?;
        let ready = setup::ensure()?;
        let (built, mut strip) = if arch == Arch::native()? {
            (native.clone(), Command::new("strip"))
        } else {
            let built = cross::agent(repo, &ready, arch)?;
            (built, cross::gnu_tool(&ready.tools, arch, "strip"))
        };
        let agent = work.join("nginx-probe");
        progress::output(strip.arg("-o").args([&agent, &built])).context("stripping the agent")?;
        let made = work.join("made");
        let version = progress::output(Command::new(&native).arg("--version"))?;
        let version = version
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        progress::output(Command::new(&native).arg("package-files").arg(&made))?;

        let needs = glibc::of(&agent)?;
        let files = stage::files(&stage::Sources {
            repo,
            agent: &agent,
            made: &made,
            licenses: &licenses::text(repo, &arch.rust_target())?,
        })?;
        stage::write(&files, &work.join("root"))?;
        let maintainer = maintainer(|name| env::var(name).ok());
        let about = manifest::About {
            version: &version,
            maintainer: &maintainer,
            needs: &needs,
        };
        let deploy = repo.join("deploy");
        let package = deploy.join("package");
        for (path, content) in [
            ("Cargo.toml", manifest::text(&files, &about).into_bytes()),
            // A crate has something to compile; this one is never compiled.
            ("src/lib.rs", Vec::new()),
            ("changelog", read(&package.join("changelog"))?),
            (
                "units/nginx-probe.service",
                read(&deploy.join("nginx-probe.service"))?,
            ),
            ("deb/postinst", read(&package.join("deb/postinst"))?),
            ("deb/postrm", read(&package.join("deb/postrm"))?),
            ("rpm/post", read(&package.join("rpm/post"))?),
            ("rpm/preun", read(&package.join("rpm/preun"))?),
            ("rpm/postun", read(&package.join("rpm/postun"))?),
        ] {
            let path = work.join(path);
            let parent = path.parent().unwrap_or(&work);
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, content))
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(Self {
            tools: ready.tools,
            arch,
            version,
            needs,
            work,
        })
    }

    fn deb(&self, repo: &Path, version: Option<&str>) -> Result<PathBuf> {
        cargo_tools::ensure(&self.tools, &[DEB])?;
        let debian = version.map_or_else(|| format!("{}-1", self.version), str::to_owned);
        let path = folder(repo).join(format!("nginx-probe_{debian}_{}.deb", self.arch.debian()));
        let mut command = self.cargo_tool(DEB);
        command
            .args(["--no-build", "--no-strip", "--manifest-path", "Cargo.toml"])
            .args([
                "--deb-version",
                &debian,
                "--target",
                &self.arch.rust_target(),
            ])
            .arg("--output")
            .arg(&path);
        progress::output(&mut command).context("making the package for Debian's kin")?;
        Ok(path)
    }

    fn rpm(&self, repo: &Path) -> Result<PathBuf> {
        cargo_tools::ensure(&self.tools, &[RPM])?;
        let machine = self.arch.machine();
        let path = folder(repo).join(format!("nginx-probe-{}-1.{machine}.rpm", self.version));
        let mut command = self.cargo_tool(RPM);
        command
            .args(["--target", &self.arch.rust_target(), "--output"])
            .arg(&path);
        progress::output(&mut command).context("making the RPM package")?;
        Ok(path)
    }

    fn cargo_tool(&self, tool: cargo_tools::CargoTool) -> Command {
        let mut command = Command::new(tool.program(&self.tools));
        command
            .current_dir(&self.work)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_BUILD_TARGET");
        command
    }
}

/// `NAME <ADDRESS>`.
fn maintainer(variable: impl Fn(&str) -> Option<String>) -> String {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let name = set("DEBFULLNAME").unwrap_or_else(|| MAINTAINER.0.to_owned());
    let address = set("DEBEMAIL").unwrap_or_else(|| MAINTAINER.1.to_owned());
    format!("{name} <{address}>")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests;

//! The agent for another machine than this one: Debian's compilers, unpacked into the tools folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{self, Archive};
use crate::package::arch::Arch;
use crate::progress::{self, Steps};
use crate::setup::Ready;
use crate::toolchain::Toolchain;
use crate::tools::{self, Tools};
use crate::{inner, kernel_half};

/// Rust's standard library of Debian's compiler.
const STANDARD_LIBRARY: &str = "libstd-rust-web-dev";

/// Builds both halves for `arch` and gives the agent's path.
///
/// # Errors
/// When this machine has no way, or a compiler fails; it says why itself.
pub(crate) fn agent(repo: &Path, ready: &Ready, arch: Arch) -> Result<PathBuf> {
    if ready.toolchain != Toolchain::Debian {
        bail!(
            "packages for {} are made with Debian's compilers, which are not here: run this on Debian, or on a \
             machine of that architecture",
            arch.debian()
        );
    }
    let tools = &ready.tools;
    ensure(tools, arch)?;
    let target = repo.join("target").join(arch.debian());
    eprintln!("== kernel half, {}", arch.debian());
    let object = kernel_half::build_for(repo, ready, arch.machine(), &target.join("ebpf"))?;
    eprintln!("== agent, {}", arch.debian());
    let rust_target = arch.rust_target();
    let variable = rust_target.to_uppercase().replace('-', "_");
    let status = inner::foreign_cargo(repo)
        .args(["build", "--release", "--locked", "--package", "nginx-probe"])
        .args(["--target", &rust_target, "--target-dir"])
        .arg(&target)
        .env("RUSTC", tools.path("bin/rustc"))
        .env(
            format!("CARGO_TARGET_{variable}_LINKER"),
            linker(tools, arch),
        )
        .env("NGINX_PROBE_EBPF_OBJECT", object)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!(
            "building the agent for {} failed ({status}); the reason is above",
            arch.debian()
        );
    }
    Ok(target.join(rust_target).join("release/nginx-probe"))
}

/// A command of GNU's tools for that machine, such as `strip`, once [`agent`] was built.
pub(crate) fn gnu_tool(tools: &Tools, arch: Arch, name: &str) -> Command {
    let mut command = Command::new(
        tools
            .path("root/usr/bin")
            .join(format!("{}-{name}", arch.gnu())),
    );
    command.env("LD_LIBRARY_PATH", tools.path(&debian::libraries()));
    command
}

fn ensure(tools: &Tools, arch: Arch) -> Result<()> {
    let part = format!("cross-{}", arch.debian());
    let compiler = format!("gcc-{}", arch.gnu_package());
    let library = format!("libc6-dev-{}-cross", arch.debian());
    let release = rust_release(tools)?;
    // The wrapper holds the folder's path.
    let recipe = format!(
        "{compiler} {library} {STANDARD_LIBRARY} {release} in {}",
        tools.folder().display()
    );
    if tools.has(&part, &recipe) {
        return Ok(());
    }
    let _lock = tools.lock()?;
    if tools.has(&part, &recipe) {
        return Ok(()); // by whoever held the lock before
    }
    let mut steps = Steps::new(2);
    steps.step(
        &format!("fetching and unpacking the compiler for {}", arch.debian()),
        |step| {
            Archive::new(tools).unpack(&[&compiler, &library], step)?;
            write_linker(tools, arch)
        },
    )?;
    steps.step(&format!("fetching and unpacking Rust's standard library for {}", arch.debian()), |step| {
        let package = format!("{STANDARD_LIBRARY}:{}", arch.debian());
        let file = Archive::with_foreign(tools, arch.debian()).unpack_alone(&package, step)?;
        if !file.starts_with(&format!("{STANDARD_LIBRARY}_{release}")) {
            bail!(
                "the archive has {file}, and the compiler in {} is Rust {release}: delete that folder to take \
                 the archive's compiler",
                tools.folder().display()
            );
        }
        Ok(())
    })?;
    tools.remove("apt")?;
    tools.complete(&part, &recipe)
}

/// The release of the compiler for the kernel half, which builds the other machine's agent too.
fn rust_release(tools: &Tools) -> Result<String> {
    let version = progress::output(Command::new(tools.path("bin/rustc")).arg("-vV"))?;
    let release = version
        .lines()
        .find_map(|line| line.strip_prefix("release: "));
    Ok(release
        .with_context(|| format!("rustc -vV names no release: {version:?}"))?
        .to_owned())
}

fn linker(tools: &Tools, arch: Arch) -> PathBuf {
    tools.path("bin").join(format!("{}-gcc", arch.gnu()))
}

/// GNU's compiler is told where its libraries are: it expects them below `/`.
fn write_linker(tools: &Tools, arch: Arch) -> Result<()> {
    tools.make("bin")?;
    let path = linker(tools, arch);
    let quoted = |path: PathBuf| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={} exec {} --sysroot={} \"$@\"\n",
        quoted(tools.path(&debian::libraries())),
        quoted(
            tools
                .path("root/usr/bin")
                .join(format!("{}-gcc", arch.gnu()))
        ),
        quoted(tools.path("root")),
    );
    tools::replace(&path, script.as_bytes())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} executable", path.display()))
}

//! The kernel half: the eBPF programs, compiled and linked to one object.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::inner;
use crate::setup::Ready;
use crate::toolchain::Toolchain;
use crate::tools;

const TARGET: &str = "bpfel-unknown-none";
const BINARY: &str = "nginx-probe-bpf";
const FOLDER: &str = "target/ebpf";
/// Where the agent's build takes it from, as `.cargo/config.toml` tells it.
const OBJECT: &str = "target/ebpf/nginx-probe.bpf.o";

/// Builds the kernel half and gives the object's path. The object is rewritten only when it
/// changed, so that an unchanged one does not make the agent build again.
///
/// # Errors
/// When the compiler or the linker fails; they say why themselves.
pub(crate) fn build(repo: &Path, ready: &Ready, debug_log: bool) -> Result<PathBuf> {
    let mut cargo = cargo(repo, ready, "build");
    cargo.args(package(debug_log)).arg(FOLDER);
    compile(cargo, &repo.join(FOLDER), repo.join(OBJECT))
}

/// Builds the kernel half for another machine, named as Rust's compiler names it, into a folder of its own,
/// and gives the object's path.
///
/// # Errors
/// When the compiler or the linker fails; they say why themselves.
pub(crate) fn build_for(
    repo: &Path,
    ready: &Ready,
    machine: &str,
    folder: &Path,
) -> Result<PathBuf> {
    let mut cargo = cargo(repo, ready, "build");
    cargo
        .args(package(false))
        .arg(folder)
        .env("AYA_BPF_TARGET_ARCH", machine);
    compile(cargo, folder, folder.join("nginx-probe.bpf.o"))
}

fn compile(mut cargo: Command, folder: &Path, object: PathBuf) -> Result<PathBuf> {
    let status = cargo.status().context("starting cargo")?;
    if !status.success() {
        bail!("building the kernel half failed ({status}); the reason is above");
    }
    let built = folder.join(TARGET).join("release").join(BINARY);
    let built = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    if fs::read(&object).is_ok_and(|old| old == built) {
        return Ok(object);
    }
    tools::replace(&object, &built)?;
    Ok(object)
}

/// Lints the kernel half, with and without its log, warnings denied, where its compiler comes with
/// clippy (Debian's does). Gives whether it did.
///
/// # Errors
/// When there is a warning.
pub(crate) fn lint(repo: &Path, ready: &Ready) -> Result<bool> {
    if ready.toolchain != Toolchain::Debian {
        return Ok(false);
    }
    for debug_log in [false, true] {
        let mut cargo = cargo(repo, ready, "clippy");
        cargo
            .args(package(debug_log))
            .arg(FOLDER)
            .args(["--", "-D", "warnings"]);
        let status = cargo.status().context("starting Debian's clippy")?;
        if !status.success() {
            bail!("the kernel half has warnings; they are above");
        }
    }
    Ok(true)
}

fn package(debug_log: bool) -> [&'static str; 11] {
    [
        "--release",
        "--locked",
        "--package",
        "nginx-probe-ebpf",
        "--bin",
        BINARY,
        "--features",
        if debug_log { "debug-log" } else { "programs" },
        "--target",
        TARGET,
        "--target-dir",
    ]
}

/// Cargo with the kernel half's compiler, for `build` or `clippy`.
fn cargo(repo: &Path, ready: &Ready, task: &str) -> Command {
    let tools = &ready.tools;
    let mut cargo = match &ready.toolchain {
        Toolchain::Debian => {
            let mut cargo = inner::foreign_cargo(repo);
            if task == "clippy" {
                let driver = tools.path("root/usr/bin/cargo-clippy");
                let started_by = cargo.get_program().to_owned();
                cargo = Command::new(driver);
                inner::make_foreign(&mut cargo);
                cargo
                    .current_dir(repo)
                    .env_remove("RUSTC_WORKSPACE_WRAPPER")
                    .env("CARGO", started_by)
                    .env("LD_LIBRARY_PATH", tools.path(&debian::libraries()));
            }
            cargo.arg(task).env("RUSTC", tools.path("bin/rustc")).env(
                "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER",
                tools.path("linker/bin/bpf-linker"),
            );
            cargo
        }
        Toolchain::Rustup(toolchain) => {
            let mut cargo = Command::new("rustup");
            inner::make_foreign(&mut cargo);
            cargo
                .current_dir(repo)
                .args(["run", toolchain, "cargo", task, "-Zbuild-std=core"])
                .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", "bpf-linker");
            cargo
        }
    };
    // Full debug information becomes the object's BTF. The assembly of aya's helpers is unstable
    // in every compiler that builds it.
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-C debuginfo=2 -C link-arg=--btf");
    cargo
}

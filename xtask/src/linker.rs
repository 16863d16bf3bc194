//! bpf-linker, built against the LLVM of the compiler whose output it links.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::inner;
use crate::progress::{self, Step};
use crate::tools::Tools;

/// The bpf-linker that is built.
pub(crate) const VERSION: &str = "0.13.0";
/// The LLVM releases that this bpf-linker has a feature for.
const LLVM: std::ops::RangeInclusive<u32> = 21..=23;

/// The LLVM release in the output of `rustc -vV`.
///
/// # Errors
/// When none is named, or bpf-linker cannot be built against it.
pub(crate) fn llvm_of(rustc_version: &str) -> Result<u32> {
    let llvm = rustc_version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next())
        .and_then(|major| major.parse().ok())
        .with_context(|| format!("rustc -vV names no LLVM version: {rustc_version:?}"))?;
    if !LLVM.contains(&llvm) {
        bail!(
            "this Debian's compiler for the kernel half uses LLVM {llvm}, and bpf-linker {VERSION} \
             needs {} to {}; set NGINX_PROBE_EBPF_TOOLCHAIN=rustup to use rustup's compiler",
            LLVM.start(),
            LLVM.end()
        );
    }
    Ok(llvm)
}

/// Builds bpf-linker from crates.io into `linker/`. Takes one to two minutes.
///
/// # Errors
/// When it cannot be fetched, built, or started.
pub(crate) fn build(tools: &Tools, llvm: u32, step: &Step) -> Result<()> {
    let libraries = tools.path(&debian::libraries());
    let llvm_prefix = tools.path(&format!("root/usr/lib/llvm-{llvm}"));
    // A build that was cut short goes on where it was: the folder is removed at the end only.
    let target = tools.make("tmp/linker")?;

    let flags = format!(
        "-Lnative={}\x1f-Lnative={}",
        libraries.display(),
        llvm_prefix.join("lib").display()
    );
    let mut cargo = inner::foreign_cargo(tools.folder());
    cargo
        .args(["install", "bpf-linker", "--version", VERSION, "--locked"])
        .args(["--force", "--no-default-features", "--features"])
        .arg(format!("llvm-{llvm}"))
        .arg("--root")
        .arg(tools.path("linker"))
        .arg("--target-dir")
        .arg(&target)
        .env("LLVM_PREFIX", &llvm_prefix)
        .env("LIBRARY_PATH", &libraries)
        .env("LD_LIBRARY_PATH", &libraries)
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("TMPDIR", &target);
    step.run(&mut cargo).context("building bpf-linker")?;

    let linker = tools.path("linker/bin/bpf-linker");
    progress::output(
        Command::new(&linker)
            .arg("--version")
            .env("LD_LIBRARY_PATH", &libraries),
    )
    .with_context(|| format!("starting {}", linker.display()))?;
    tools.remove("tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_names_the_llvm_to_link_with() {
        let version = "rustc 1.96.0\nbinary: rustc\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_of(version).unwrap(), 22);
    }

    #[test]
    fn an_llvm_without_a_linker_says_what_to_do() {
        let error = llvm_of("LLVM version: 19.1.7\n").unwrap_err().to_string();
        assert!(
            error.contains("NGINX_PROBE_EBPF_TOOLCHAIN=rustup"),
            "{error}"
        );
        assert!(llvm_of("rustc 1.96.0\n").is_err());
    }
}

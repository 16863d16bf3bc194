//! `cargo xtask build`: the kernel half, then the agent with it inside.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::inner;
use crate::kernel_half;
use crate::setup;

/// Options of `cargo xtask build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Let the programs in the kernel log what they do, for debugging them
    #[arg(long)]
    debug_log: bool,
}

/// `cargo xtask build`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    println!("{}", both(repo, args.debug_log)?.display());
    Ok(())
}

/// Sets up what is missing, builds both halves, each under a heading, and gives the agent's path.
///
/// # Errors
/// When one does not compile; cargo says why.
pub(crate) fn both(repo: &Path, debug_log: bool) -> Result<PathBuf> {
    let ready = setup::ensure()?;
    // On standard error, as all that cargo says.
    eprintln!("== kernel half");
    kernel_half::build(repo, &ready, debug_log)?;
    eprintln!("== agent");
    agent(repo, debug_log)
}

/// Builds the agent around the kernel half that was built last, and gives its path.
///
/// # Errors
/// When it does not compile; cargo says why.
pub(crate) fn agent(repo: &Path, debug_log: bool) -> Result<PathBuf> {
    let mut cargo = inner::host_cargo(repo);
    cargo.args(["build", "--release", "--package", "nginx-probe"]);
    cargo.arg("--target-dir").arg(target_folder(repo));
    if debug_log {
        cargo.args(["--features", "debug-log"]);
    }
    let status = cargo.status().context("starting cargo")?;
    if !status.success() {
        bail!("building the agent failed ({status}); the reason is above");
    }
    Ok(target_folder(repo).join("release/nginx-probe"))
}

/// Where the agent and the tests are built, whatever the environment prefers: the tests look here.
pub(crate) fn target_folder(repo: &Path) -> PathBuf {
    repo.join("target")
}

//! `cargo xtask deny`: what the dependencies may be, as `deny.toml` says.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::package::cargo_tools::{self, DENY};
use crate::progress;
use crate::tools::Tools;

/// Judged from the manifests alone.
const ALWAYS: [&str; 3] = ["licenses", "bans", "sources"];

/// `cargo xtask deny`.
pub(crate) fn run(repo: &Path) -> Result<()> {
    let tools = Tools::find()?;
    cargo_tools::ensure(&tools, &[DENY])?;
    eprintln!("== {}", ALWAYS.join(", "));
    let status = check(repo, &tools, &ALWAYS)
        .status()
        .context("starting cargo-deny")?;
    if !status.success() {
        bail!("cargo-deny refuses a dependency ({status}); the reason is above");
    }
    eprintln!("== advisories");
    // Fetching first tells "there is no database" from "there is an advisory".
    let fetched = progress::output(cargo_deny(repo, &tools).args(["fetch", "db"]));
    if let Err(error) = fetched {
        let reason = format!("{error:#}");
        let reason = reason
            .lines()
            .map(str::trim)
            .find(|line| line.contains("[ERROR]"));
        println!(
            "NOT CHECKED: the advisory database cannot be fetched here ({}); licenses, bans and sources are right",
            reason.unwrap_or("cargo-deny fetch failed")
        );
        return Ok(());
    }
    let status = check(repo, &tools, &["advisories"])
        .status()
        .context("starting cargo-deny")?;
    if !status.success() {
        bail!("a dependency has an advisory ({status}); it is named above");
    }
    println!("licenses, bans, sources and advisories are right");
    Ok(())
}

fn check(repo: &Path, tools: &Tools, which: &[&str]) -> Command {
    let mut command = cargo_deny(repo, tools);
    command
        .args(["check", "--hide-inclusion-graph"])
        .args(which);
    command
}

fn cargo_deny(repo: &Path, tools: &Tools) -> Command {
    let mut command = Command::new(DENY.program(tools));
    command
        .current_dir(repo)
        .args(["--workspace", "--all-features"]);
    command
}

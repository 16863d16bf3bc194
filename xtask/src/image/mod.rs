//! `cargo xtask image`: the agent as an image for container runtimes, from nothing but its own files.

mod check;
mod layer;
mod layout;
mod root;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::build;
use crate::package::arch::Arch;
use crate::package::{glibc, licenses};
use crate::progress;
use crate::setup;

/// Options of `cargo xtask image`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Check the layout, and run the image with crun beside an nginx in another container (needs root)
    #[arg(long)]
    check: bool,
    /// Take this program in place of building one
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
}

/// `cargo xtask image`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    let built = match &args.agent {
        Some(agent) => agent.clone(),
        None => build::both(repo, false)?,
    };
    let place = folder(repo);
    let work = place.join("work");
    fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let agent = work.join("nginx-probe");
    progress::output(Command::new("strip").arg("-o").args([&agent, &built]))
        .context("stripping the agent")?;
    let version = version(&agent)?;
    let arch = Arch::native()?;
    let root = work.join("root");
    root::write(
        &root,
        &root::Sources {
            repo,
            agent: &agent,
            licenses: &licenses::text(repo, &arch.rust_target())?,
        },
    )?;
    let layer = layer::of(&root)?;
    let config = config(repo, arch, &version)?;
    let image = place.join(format!("nginx-probe_{version}_{}", arch.debian()));
    let digest = layout::write(&image, &layer, &config, &version)?;
    if args.check {
        setup::ensure()?;
        check::run(&image)?;
    }
    let compressed = layer.compressed.len();
    eprintln!(
        "{digest}, {compressed} bytes in one layer, linux/{}",
        arch.debian()
    );
    if let Some(release) = glibc::of(&agent)?.glibc {
        eprintln!(
            "the program needs glibc {release} or later; the image brings this machine's own"
        );
    }
    println!("{}", image.display());
    Ok(())
}

/// Where images are left.
fn folder(repo: &Path) -> PathBuf {
    build::target_folder(repo).join("image")
}

fn version(agent: &Path) -> Result<String> {
    let said = progress::output(Command::new(agent).arg("--version"))?;
    let version = said.trim().rsplit(' ').next().unwrap_or_default();
    Ok(version.to_owned())
}

/// The image's configuration, but for what its layer is: that is told by who writes the layout.
fn config(repo: &Path, arch: Arch, version: &str) -> Result<Value> {
    let path = repo.join("deploy/container/image.json");
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut config: Value =
        serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
    let labels = config.get_mut("Labels").and_then(Value::as_object_mut);
    labels
        .with_context(|| format!("no Labels in {}", path.display()))?
        .insert(
            "org.opencontainers.image.version".to_owned(),
            version.into(),
        );
    Ok(json!({"architecture": arch.debian(), "os": "linux", "config": config}))
}

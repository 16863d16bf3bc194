//! `cargo xtask vm --systemd`: the package on a booted Debian, where systemd starts the agent and
//! nginx as they are shipped.

mod base;
mod deb;
pub(crate) mod guest;
mod payload;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::machine;
use crate::package;
use crate::progress::Steps;
use crate::setup;

/// Where the guest has what a run brings.
const FOLDER: &str = "/opt/host-test";
/// What the guest starts: the test, with the patience that it takes.
const START: &str = "start";
/// The test: this very program, by another name, and the task by which it is that.
const PROGRAM: &str = "host-test";
const SUBCOMMAND: &str = "inside-guest";
/// How much longer than on an idle machine the test waits for what ought to happen.
const PATIENCE: u32 = 4;
/// Beside it: the package, the same with a higher version, and what changes its unit.
const PACKAGE: &str = "package.deb";
const NEXT_PACKAGE: &str = "next-package.deb";
const OTHER_UNIT: &str = "unit.service";
const DROP_IN: &str = "drop-in.conf";
/// The names of the parts to run, a line each; none of them for all.
const PARTS: &str = "parts";

/// What runs, and on what.
pub(super) struct Options<'a> {
    /// The Debian release.
    pub(super) release: &'a str,
    /// How long the guest may take.
    pub(super) timeout: Duration,
    /// Without hardware support.
    pub(super) emulate: bool,
    /// A package that is there already.
    pub(super) package: Option<&'a Path>,
    /// Stands in for the package's unit.
    pub(super) unit: Option<&'a Path>,
    /// Beside the unit.
    pub(super) drop_in: Option<&'a Path>,
    /// Parts to run; none for all.
    pub(super) parts: &'a [String],
}

/// Boots the release, and has the guest's test run in it.
///
/// # Errors
/// When something cannot be built or fetched, or a check fails.
pub(super) fn run(repo: &Path, options: &Options<'_>) -> Result<()> {
    if !["bookworm", "trixie"].contains(&options.release) {
        bail!(
            "--systemd boots Debian bookworm or trixie, not {}",
            options.release
        );
    }
    guest::check_names(options.parts)?;
    let deb: PathBuf = match options.package {
        Some(deb) => deb.to_path_buf(),
        None => package::deb(repo)?,
    };
    let tools = setup::ensure()?.tools;
    let mut steps = Steps::new(3);
    let lock = tools.lock()?;
    let title = "fetching and unpacking qemu";
    if machine::find(&tools).is_some() {
        steps.skip(title);
    } else {
        steps.step(title, |step| machine::fetch(&tools, step))?;
    }
    let title = format!("installing Debian {} on a disk", options.release);
    if base::find(&tools, options.release).is_some() {
        steps.skip(&title);
    } else {
        steps.step(&title, |step| base::make(&tools, options.release, step))?;
    }
    drop(lock);
    let qemu = machine::find(&tools).context("qemu is not in place")?;
    let base = base::find(&tools, options.release).context("the disk is not in place")?;

    let folder = repo.join(super::FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let payload = folder.join("payload.tar");
    steps.step("packing what the guest is to try", |_| {
        payload::write(&payload, &deb, options)
    })?;
    let log = folder.join(format!("{}-systemd.log", options.release));
    let table = qemu.run(
        &tools,
        &machine::Run {
            kernel: &base.kernel(),
            image: &base.first(),
            // systemd says nothing on the console, and numbers no network device anew.
            words: "root=/dev/vda rw quiet systemd.show_status=0 net.ifnames=0",
            disks: &[base.disk(), payload],
            log: &log,
            limit: options.timeout,
            emulate: options.emulate,
        },
    )?;

    super::conclude(&table, &log, &format!("Debian {}", options.release))
}

//! `cargo xtask vm`: the tests of the kernel half on another kernel, in a virtual machine; with
//! `--systemd`, the package on a whole Debian.

pub(crate) mod booted;
mod cpio;
mod files;
mod image;
mod init;
mod machine;
mod release;
mod table;

use std::env::consts;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;

use crate::build;
use crate::progress::Steps;
use crate::setup;

use self::table::Table;

/// How much longer than on an idle machine a test waits for what ought to happen.
const PATIENCE: u32 = 5;
const FOLDER: &str = "target/vm";

/// Options of `cargo xtask vm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The Debian release whose kernel runs: 6.1 (bookworm), 5.10 (bullseye), 6.12 (trixie)
    #[arg(long, default_value = "bookworm", value_parser = PossibleValuesParser::new(["bookworm", "bullseye", "trixie"]))]
    release: String,
    /// End the guest after this time
    #[arg(long, default_value = "15m", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Use no hardware support for virtual machines, even when there is some
    #[arg(long)]
    emulate: bool,
    /// Boot the whole release, with systemd and stock nginx, and try the package there (needs root)
    #[arg(long)]
    systemd: bool,
    /// Try this package, instead of building one
    #[arg(long, value_name = "FILE", requires = "systemd")]
    package: Option<PathBuf>,
    /// Put this unit in the place of the package's
    #[arg(long, value_name = "FILE", requires = "systemd")]
    with_unit: Option<PathBuf>,
    /// Put this drop-in beside the unit
    #[arg(long, value_name = "FILE", requires = "systemd")]
    drop_in: Option<PathBuf>,
    /// Run these files of `tests` (default: all that test the kernel half), or with --systemd these
    /// parts of its test, after those that each needs
    #[arg(value_name = "TEST_FILE")]
    files: Vec<String>,
}

/// `cargo xtask vm`.
pub(crate) fn run(repo: &Path, args: &Args) -> Result<()> {
    if consts::ARCH != "x86_64" {
        bail!(
            "the guest is an x86_64 machine; this one is {}",
            consts::ARCH
        );
    }
    if args.systemd {
        return booted::run(
            repo,
            &booted::Options {
                release: &args.release,
                timeout: args.timeout,
                emulate: args.emulate,
                package: args.package.as_deref(),
                unit: args.with_unit.as_deref(),
                drop_in: args.drop_in.as_deref(),
                parts: &args.files,
            },
        );
    }
    let names = files::choose(repo, &args.files)?;
    let agent = build::both(repo, false)?;
    eprintln!("== tests");
    let programs = files::compile(repo, &names)?;

    let tools = setup::ensure()?.tools;
    let mut steps = Steps::new(3);
    let lock = tools.lock()?;
    let title = "fetching and unpacking qemu";
    if machine::find(&tools).is_some() {
        steps.skip(title);
    } else {
        steps.step(title, |step| machine::fetch(&tools, step))?;
    }
    let title = format!(
        "fetching and unpacking the kernel of Debian {}",
        args.release
    );
    if release::find(&tools, &args.release).is_some() {
        steps.skip(&title);
    } else {
        steps.step(&title, |step| release::fetch(&tools, &args.release, step))?;
    }
    drop(lock);
    let qemu = machine::find(&tools).context("qemu is not in place")?;
    let guest = release::find(&tools, &args.release).context("the kernel is not in place")?;

    let folder = repo.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let image = folder.join("initramfs");
    steps.step("making the guest's file system", |_| {
        image::write(&image, &tools, &guest, &agent, &programs, PATIENCE)
    })?;
    let log = folder.join(format!("{}.log", args.release));
    let table = qemu.run(
        &tools,
        &machine::Run {
            kernel: &guest.kernel()?,
            image: &image,
            words: "",
            disks: &[],
            log: &log,
            limit: args.timeout,
            emulate: args.emulate,
        },
    )?;

    conclude(
        &table,
        &log,
        &format!("the kernel of Debian {}", args.release),
    )
}

/// Shows what came of a guest, and fails unless all of it went well.
fn conclude(table: &Table, log: &Path, on: &str) -> Result<()> {
    println!("\n{}", table.text());
    println!("all that the guest said: {}", log.display());
    if !table.is_done() {
        bail!("the guest did not come to its end; --timeout sets how long it may take");
    }
    match table.failed() {
        0 => Ok(()),
        failed => bail!("{failed} failed on {on}"),
    }
}

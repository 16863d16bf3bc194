//! A Debian release with systemd as its init and stock nginx, as a disk that a guest boots from.
//!
//! It is made once for each release and never written to: what a run changes is gone with it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{FOLDER, START};
use crate::debian::{self, Archive};
use crate::progress::Step;
use crate::toolchain;
use crate::tools::Tools;
use crate::vm::release::{only, own_mirror};

/// What the release's own packages must bring, beside what every Debian has.
const PACKAGES: [&str; 9] = [
    "systemd-sysv",
    "dbus",
    "nginx-core",
    "libnginx-mod-http-lua",
    "logrotate",
    "procps",
    "init-system-helpers",
    "linux-image-cloud-amd64",
    "zstd",
];
/// What makes the disk.
const MAKERS: [&str; 2] = ["mmdebstrap", "e2fsprogs"];
/// To be raised when the same packages are to become another disk.
const RECIPE: u32 = 1;
/// Bytes; those that hold nothing take no room.
const SIZE: u64 = 1536 << 20;
/// What no test reads.
const LEFT_OUT: [&str; 5] = [
    "usr/share/man",
    "usr/share/doc",
    "usr/share/locale",
    "var/cache/apt",
    "var/lib/apt/lists",
];
/// What would work in the background while something is measured, or write on the test's console.
const MASKED: [&str; 7] = [
    "serial-getty@ttyS0.service",
    "getty@tty1.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "logrotate.timer",
];
/// Of the unit that runs the test.
const UNIT: &str = "host-test.service";

/// A disk, and the kernel that belongs to it.
pub(super) struct Base {
    folder: PathBuf,
}

impl Base {
    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join("kernel")
    }

    /// The kernel's first file system, as the packages made it.
    pub(super) fn first(&self) -> PathBuf {
        self.folder.join("initrd")
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }
}

/// The release's disk, when it is in place.
pub(super) fn find(tools: &Tools, release: &str) -> Option<Base> {
    tools.has(&name(release), &recipe()).then(|| Base {
        folder: tools.path(&folder(release)),
    })
}

/// Makes it.
///
/// # Errors
/// When this is not root (files of the guest have many owners), or the mirror does not have the
/// release any more.
pub(super) fn make(tools: &Tools, release: &str, step: &Step) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the disk of a whole Debian is made by root: its files have many owners");
    }
    if !has_makers(tools) {
        Archive::new(tools)
            .unpack(&MAKERS, step)
            .with_context(|| format!("fetching {}", MAKERS.join(" and ")))?;
        tools.complete("disk-makers", &MAKERS.join(" "))?;
    }
    let within = folder(release);
    tools.remove(&within)?;
    let place = tools.make(&within)?;
    let root = place.join("root");
    let mut unpack = maker(tools, "mmdebstrap")?;
    unpack
        .args(["--mode=root", "--variant=apt", "--format=directory"])
        // Nothing that is lost with this machine's power is missed.
        .arg("--dpkgopt=force-unsafe-io")
        .arg(format!("--include={}", PACKAGES.join(" ")))
        .args([release.as_ref(), root.as_os_str()])
        .arg(own_mirror()?)
        .env("LC_ALL", "C");
    step.run(&mut unpack)
        .with_context(|| format!("installing Debian {release} into {}", root.display()))?;

    let base = Base { folder: place };
    let boot = root.join("boot");
    for (prefix, to) in [("vmlinuz-", base.kernel()), ("initrd.img-", base.first())] {
        let from = only(&boot, prefix)?;
        fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
    }
    prepare(&root).with_context(|| format!("preparing {}", root.display()))?;

    let disk = base.disk();
    File::create(&disk)
        .and_then(|file| file.set_len(SIZE))
        .with_context(|| format!("making {}", disk.display()))?;
    let mut format = maker(tools, "mkfs.ext4")?;
    format.args(["-q", "-F", "-O", "^has_journal", "-d"]);
    format.args([&root, &disk]);
    step.run(&mut format).context("making a file system")?;
    tools.remove(&format!("{within}/root"))?;
    tools.complete(&name(release), &recipe())
}

/// Puts the test's unit in, and keeps out what would disturb it.
fn prepare(root: &Path) -> Result<()> {
    for place in LEFT_OUT {
        let path = root.join(place);
        if path.is_dir() {
            fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
            fs::create_dir(&path).with_context(|| path.display().to_string())?;
        }
    }
    let units = root.join("etc/systemd/system");
    for unit in MASKED {
        symlink("/dev/null", units.join(unit)).with_context(|| format!("masking {unit}"))?;
    }
    let wanted = units.join("multi-user.target.wants");
    fs::create_dir_all(&wanted).with_context(|| wanted.display().to_string())?;
    symlink(format!("../{UNIT}"), wanted.join(UNIT)).with_context(|| format!("wanting {UNIT}"))?;
    for (path, text) in [
        ("etc/systemd/system/host-test.service", unit()),
        ("etc/hostname", "guest\n".to_owned()),
        ("etc/hosts", "127.0.0.1 localhost guest\n".to_owned()),
        // Without one, systemd takes the boot for the machine's first and enables every unit anew.
        (
            "etc/machine-id",
            "6e67696e782d70726f62652d67756573\n".to_owned(),
        ),
    ] {
        fs::write(root.join(path), text).with_context(|| format!("writing /{path}"))?;
    }
    Ok(())
}

/// Unpacks the second disk, which is an archive, and runs the test that is in it.
fn unit() -> String {
    format!(
        "[Unit]\n\
         Description=The test of this host\n\
         After=basic.target nginx.service\n\
         \n\
         [Service]\n\
         ExecStart=/bin/sh -c 'mkdir {FOLDER} && tar -xf /dev/vdb -C {FOLDER} && exec {FOLDER}/{START}'\n\
         ExecStopPost=/bin/systemctl --force --force poweroff\n\
         StandardOutput=tty\n\
         StandardError=tty\n\
         TTYPath=/dev/ttyS0\n"
    )
}

/// Whether this machine, or the tools folder, has what makes the disk.
fn has_makers(tools: &Tools) -> bool {
    tools.has("disk-makers", &MAKERS.join(" "))
        || ["mmdebstrap", "mkfs.ext4"]
            .iter()
            .all(|program| installed(program).is_some())
}

/// One of the programs that make a disk: the machine's own, else the one in the tools folder.
fn maker(tools: &Tools, program: &str) -> Result<Command> {
    if let Some(program) = installed(program) {
        return Ok(Command::new(program));
    }
    let root = tools.path("root");
    let found = ["usr/bin", "usr/sbin", "sbin"]
        .map(|place| root.join(place).join(program))
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("there is no {program} in {}", root.display()))?;
    let mut command = Command::new(found);
    // A script of the system's perl needs no library of ours; a program may.
    if program.starts_with("mkfs") {
        command.env("LD_LIBRARY_PATH", tools.path(&debian::libraries()));
    }
    Ok(command)
}

fn installed(program: &str) -> Option<PathBuf> {
    // A user's PATH has no programs of administrators.
    let of_administrators = ["/usr/sbin", "/sbin"].map(|place| Path::new(place).join(program));
    toolchain::on_path(program)
        .or_else(|| of_administrators.into_iter().find(|path| path.is_file()))
}

fn name(release: &str) -> String {
    format!("booted-{release}")
}

fn folder(release: &str) -> String {
    format!("vm/{}", name(release))
}

fn recipe() -> String {
    format!("{RECIPE}: {}", PACKAGES.join(" "))
}

//! The virtual machine: qemu, and the guest's console.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::table::Table;
use crate::debian::{self, Archive};
use crate::progress::Step;
use crate::toolchain;
use crate::tools::Tools;

const PROGRAM: &str = "qemu-system-x86_64";
// All named, not left to the dependencies: the system may have one of them already.
const PACKAGES: [&str; 4] = [
    "qemu-system-x86",
    "qemu-system-common",
    "qemu-system-data",
    "seabios",
];
/// A guest with hardware support speaks within two seconds. Where that support is a promise only
/// (inside some other virtual machines), it never does.
const SILENCE: Duration = Duration::from_secs(20);
/// Stands for that, on the kernel it names.
const BROKEN: &str = "kvm-does-not-work";
const TICK: Duration = Duration::from_millis(500);

/// A qemu that can be started.
pub(crate) struct Qemu {
    program: PathBuf,
    /// Libraries and firmware, when it is not the machine's own.
    unpacked: Option<(PathBuf, [PathBuf; 2])>,
}

/// The machine's own, or the one in the tools folder.
pub(crate) fn find(tools: &Tools) -> Option<Qemu> {
    if let Some(program) = toolchain::on_path(PROGRAM) {
        return Some(Qemu {
            program,
            unpacked: None,
        });
    }
    let root = |inside: &str| tools.path("root").join(inside);
    tools
        .has("qemu", &PACKAGES.join(" "))
        .then(|| Qemu {
            program: root("usr/bin").join(PROGRAM),
            unpacked: Some((
                tools.path(&debian::libraries()),
                [root("usr/share/qemu"), root("usr/share/seabios")],
            )),
        })
        .filter(|qemu| qemu.program.is_file())
}

/// Fetches it into the tools folder.
///
/// # Errors
/// When the archive does not have it or cannot be reached.
pub(crate) fn fetch(tools: &Tools, step: &Step) -> Result<()> {
    Archive::new(tools)
        .unpack(&PACKAGES, step)
        .with_context(|| format!("fetching qemu (or install it: {PROGRAM} on PATH is used)"))?;
    tools.complete("qemu", &PACKAGES.join(" "))
}

/// How a guest is run.
pub(crate) struct Run<'a> {
    /// The kernel.
    pub(crate) kernel: &'a Path,
    /// Its first file system.
    pub(crate) image: &'a Path,
    /// Words for the kernel, beside those about the console.
    pub(crate) words: &'a str,
    /// Disks, of which nothing changes: what the guest writes is gone with it.
    pub(crate) disks: &'a [PathBuf],
    /// Where all that it says is kept.
    pub(crate) log: &'a Path,
    /// How long it may take.
    pub(crate) limit: Duration,
    /// Without hardware support, even when there is some.
    pub(crate) emulate: bool,
}

impl Qemu {
    /// Boots the guest and shows what it says until it ends. Hardware support is used when it is
    /// there and works.
    ///
    /// # Errors
    /// When qemu cannot be started, or the guest never began.
    pub(crate) fn run(&self, tools: &Tools, run: &Run<'_>) -> Result<Table> {
        let hardware = !run.emulate
            && !tools.has(BROKEN, &this_kernel())
            && File::options().write(true).open("/dev/kvm").is_ok();
        if hardware {
            eprintln!("booting the guest, with hardware support");
            let table = self.boot(run, true)?;
            if table.has_begun() {
                return Ok(table);
            }
            eprintln!("no guest runs with this machine's /dev/kvm; it is not tried again");
            tools.complete(BROKEN, &this_kernel())?;
        }
        eprintln!("booting the guest, emulated (its first line comes after about 10 s)");
        let table = self.boot(run, false)?;
        if !table.has_begun() {
            bail!("the guest did not start; see {}", run.log.display());
        }
        Ok(table)
    }

    fn boot(&self, run: &Run<'_>, hardware: bool) -> Result<Table> {
        let mut log =
            File::create(run.log).with_context(|| format!("making {}", run.log.display()))?;
        let machine = Machine::start(self.command(run, hardware))?;
        let mut table = Table::default();
        let started = Instant::now();
        let mut said = started;
        let mut pending = Vec::new();
        loop {
            match machine.output.recv_timeout(TICK) {
                Ok(bytes) => {
                    pending.extend_from_slice(&bytes);
                    while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = pending.drain(..=end).collect();
                        let line = printable(&line);
                        let line = line.trim_end();
                        writeln!(log, "{line}").context("writing the guest's log")?;
                        if table.line(line) {
                            println!("  {line}");
                        } else if let Some(name) = table.current() {
                            println!("== {name}, {:.0} s", started.elapsed().as_secs_f64());
                        }
                        said = Instant::now();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(table),
            }
            if table.is_done() {
                return Ok(table);
            }
            if hardware && !table.has_begun() && started.elapsed() > SILENCE {
                return Ok(table);
            }
            if started.elapsed() > run.limit {
                eprintln!("the guest was ended after {:?}", run.limit);
                return Ok(table);
            }
            if said.elapsed() > Duration::from_secs(30) {
                said = Instant::now();
                let seconds = started.elapsed().as_secs();
                let part = table.current().unwrap_or("boot");
                // A test's name comes before its end: the line is not whole yet.
                let pending = printable(&pending);
                eprintln!("… {part} after {seconds} s: {}", pending.trim_end());
            }
        }
    }

    fn command(&self, run: &Run<'_>, hardware: bool) -> Command {
        let mut qemu = Command::new(&self.program);
        if let Some((libraries, firmware)) = &self.unpacked {
            qemu.env("LD_LIBRARY_PATH", libraries)
                .env("QEMU_MODULE_DIR", libraries.join("qemu"));
            for folder in firmware {
                qemu.arg("-L").arg(folder);
            }
        }
        // As many processors as this machine has, up to what the tests use.
        let processors = thread::available_parallelism().map_or(1, |count| count.get().min(4));
        qemu.args(["-machine", "pc"])
            .args(if hardware {
                ["-accel", "kvm", "-cpu", "host"]
            } else {
                ["-accel", "tcg,thread=multi", "-cpu", "max"]
            })
            .args(["-smp", &processors.to_string(), "-m", "2048"])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-serial", "stdio"])
            .arg("-kernel")
            .arg(run.kernel)
            .arg("-initrd")
            .arg(run.image)
            // Without the kernel's own lines among ours. A panic reboots at once, and a reboot ends
            // qemu.
            .arg("-append")
            .arg(format!("console=ttyS0 loglevel=1 panic=-1 {}", run.words));
        for disk in run.disks {
            // A comma would begin another option.
            let path = disk.display().to_string().replace(',', ",,");
            qemu.arg("-drive")
                .arg(format!("file={path},format=raw,if=virtio,snapshot=on"));
        }
        qemu
    }
}

/// Without what would move the reader's own cursor: an init may ask the console what it is.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .filter(|one| *one == '\t' || !one.is_control())
        .collect()
}

fn this_kernel() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// A qemu that runs. Dropping it ends it.
struct Machine {
    child: Child,
    output: Receiver<Vec<u8>>,
}

impl Machine {
    fn start(mut command: Command) -> Result<Self> {
        let (mut reader, writer) = io::pipe().context("making a pipe")?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().context("sharing a pipe")?)
            .stderr(writer);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        drop(command);
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                let some = bytes.get(..count).unwrap_or_default().to_vec();
                if sender.send(some).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, output })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

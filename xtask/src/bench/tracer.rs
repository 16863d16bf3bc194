//! A bpftrace script that counts the calls whose sockets the agent follows: what the next best costs.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use nginx_probe_tests::processes::{Signal, signal};

use crate::debian::{self, Archive};
use crate::progress::Steps;
use crate::toolchain;
use crate::tools::Tools;

const PACKAGE: &str = "bpftrace";

/// bpftrace, and where its libraries are.
pub(super) struct Bpftrace {
    program: PathBuf,
    libraries: Option<PathBuf>,
}

impl Bpftrace {
    /// The one that the host has, or that is unpacked; fetched the first time.
    pub(super) fn find() -> Result<Self> {
        if let Some(program) = toolchain::on_path(PACKAGE) {
            return Ok(Self {
                program,
                libraries: None,
            });
        }
        if !debian::is_here() {
            bail!("install bpftrace: this benchmark compares with it");
        }
        let tools = Tools::find()?;
        if !tools.has("tracer", PACKAGE) {
            let _lock = tools.lock()?;
            Steps::new(1).step("fetching and unpacking bpftrace", |step| {
                Archive::new(&tools).unpack(&[PACKAGE], step)?;
                tools.complete("tracer", PACKAGE)
            })?;
        }
        Ok(Self {
            program: tools.path("root/usr/bin/bpftrace"),
            libraries: Some(tools.path(&debian::libraries())),
        })
    }

    /// Counts the calls with which a process reads and writes, until the tracer is stopped.
    pub(super) fn count_calls(&self, pid: u32) -> Result<Tracer> {
        let calls = ["recvfrom", "readv", "read", "sendto", "writev", "write"];
        let probes: Vec<_> = calls
            .iter()
            .map(|call| format!("tracepoint:syscalls:sys_exit_{call}"))
            .collect();
        let script = format!(
            "{} /pid == {pid}/ {{ @[probe] = count(); }}",
            probes.join(",")
        );
        // It needs tracefs, which is often not mounted: here it is in a namespace of its own.
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c"])
            .arg("mount -t tracefs none /sys/kernel/tracing && exec \"$0\" -e \"$1\"")
            .arg(&self.program)
            .arg(script)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let mut child = command.spawn().context("starting bpftrace")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if !line.starts_with("Attaching") {
            let output = child.wait_with_output()?;
            bail!(
                "bpftrace: {line}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(Tracer { child, lines })
    }
}

/// A tracer that runs.
pub(super) struct Tracer {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Tracer {
    /// Ends it, and makes sure that it has counted something.
    pub(super) fn stop(mut self) -> Result<()> {
        signal(self.child.id(), Signal::INT)?;
        let mut counted = false;
        for line in (&mut self.lines).lines() {
            counted |= line?.contains("sys_exit_");
        }
        let status = self.child.wait()?;
        ensure!(counted, "bpftrace has counted nothing ({status})");
        Ok(())
    }
}

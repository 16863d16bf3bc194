//! crun, which runs a container as a cluster's node does, without a daemon.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::processes::{Signal, require_root, signal};
use crate::tools::Tools;
use crate::wait::{DEADLINE, until};

/// crun takes part in no host whose control groups are of both versions: there it is shown the second
/// one alone, in a mount namespace of its own. Its containers stay in the groups that they start in.
const SCRIPT: &str = r#"
set -e
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount -l /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
fi
exec "$@"
"#;

/// A running container. Dropping it kills it.
#[derive(Debug)]
pub struct Container {
    child: Child,
    pid: u32,
    folder: TempDir,
}

impl Container {
    /// Runs what `config` (an OCI runtime configuration) says, until it ends by itself or is dropped.
    pub fn start(config: &Value) -> Result<Self> {
        require_root()?;
        let folder = tempfile::Builder::new()
            .prefix("nginx-probe-container-")
            .tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("config.json"), serde_json::to_vec(config)?)?;
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                SCRIPT,
                "sh",
            ])
            .arg(program()?)
            .arg("--root")
            .arg(path("state"))
            .args(["--cgroup-manager", "disabled", "run", "--pid-file"])
            .arg(path("pid"))
            .arg("--bundle")
            .arg(folder.path())
            .arg(folder.path().file_name().context("a name")?)
            .stdin(Stdio::null())
            .stdout(File::create(path("stdout"))?)
            .stderr(File::create(path("stderr"))?);
        if let Some(libraries) = libraries() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let child = command.spawn().context("starting unshare")?;
        let mut container = Self {
            child,
            pid: 0,
            folder,
        };
        let pid = until("the container's process", DEADLINE, || {
            let read = container.read("pid");
            if let Ok(pid) = read.trim().parse() {
                return Ok(Some(pid));
            }
            let ended = container.child.try_wait()?;
            ensure!(ended.is_none(), "crun ended: {ended:?}");
            Ok(None)
        });
        container.pid = pid.with_context(|| container.told())?;
        Ok(container)
    }

    /// The process id of its first process, in the test's own namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Fails when the container has ended.
    pub fn ensure_runs(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the container ended: {ended:?}");
        Ok(())
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// All that it wrote, for an error's text.
    #[must_use]
    pub fn told(&self) -> String {
        format!(
            "its standard output:\n{}\nits standard error:\n{}",
            self.stdout(),
            self.stderr()
        )
    }

    /// Waits until it ends and gives its exit status.
    pub fn wait(&mut self) -> Result<Option<i32>> {
        let status = until("the container's end", DEADLINE, || {
            Ok(self.child.try_wait()?)
        });
        status
            .map(|status| status.code())
            .with_context(|| self.told())
    }

    /// Ends it with SIGTERM, as a node does, and gives its exit status.
    pub fn stop(mut self) -> Result<Option<i32>> {
        signal(self.pid, Signal::TERM)?;
        self.wait()
    }

    fn read(&self, name: &str) -> String {
        fs::read(self.folder.path().join(name))
            .map(|read| String::from_utf8_lossy(&read).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Its own process first: crun then ends by itself, and leaves nothing.
        if self.pid != 0 && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = signal(self.pid, Signal::KILL);
            let _ = until("crun's end", DEADLINE, || Ok(self.child.try_wait()?));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machine's own, or the one among the tools.
fn program() -> Result<PathBuf> {
    let unpacked = Tools::find()?.path("usr/bin/crun");
    if unpacked.is_file() {
        return Ok(unpacked);
    }
    let own = Path::new("/usr/bin/crun");
    ensure!(
        own.is_file(),
        "there is no crun, which runs containers: run `cargo xtask setup`"
    );
    Ok(own.to_path_buf())
}

fn libraries() -> Option<OsString> {
    Some(Tools::find().ok()?.library_path())
}

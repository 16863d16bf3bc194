//! A private nginx: its own folder, ports, pid file and logs.

mod members;

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use self::members::MASTER;
pub use self::members::workers_of_master;
use crate::faults::Fault;
use crate::http::{self, Answer};
pub use crate::nginx_config::Builder;
use crate::nginx_config::Ports;
use crate::tools::Tools;
use crate::wait::{DEADLINE, until_true};
use crate::{ns, processes::get};

/// A running nginx. Dropping it ends every process it started and removes its folder.
#[derive(Debug)]
pub struct Nginx {
    pub(crate) builder: Builder,
    tools: Tools,
    prefix: TempDir,
    ports: Ports,
    /// The process we started, when it stays in the foreground.
    pub(crate) child: Option<Child>,
    /// The process group of everything it starts: known once it runs.
    group: Option<u32>,
    /// No process of ours began before this, in clock ticks since boot.
    since: u64,
}

impl Nginx {
    /// The usual nginx: a daemon with 2 workers that answers `/` (a file), `/ok` (200 through a
    /// proxy), `/fail` (500 through a proxy), `/status` (`stub_status`) and every [`Fault`]'s path.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn start(builder: &Builder) -> Result<Self> {
        let mut last = None;
        for _ in 0..5 {
            match Self::try_start(builder) {
                Ok(nginx) => return Ok(nginx),
                // Someone took a port between our look and nginx's bind: choose others.
                Err(error) if format!("{error:?}").contains("Address already in use") => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last
            .context("nginx was never started")?
            .context("no free ports after five tries"))
    }

    fn try_start(builder: &Builder) -> Result<Self> {
        let tools = Tools::find()?;
        let prefix = tempfile::Builder::new()
            .prefix(&builder.folder)
            // Workers run as nobody and read static files here.
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .context("making nginx's folder")?;
        let ports = Ports::choose()?;
        for folder in ["html", "tmp"] {
            fs::create_dir(prefix.path().join(folder))?;
        }
        fs::write(prefix.path().join("html/index.html"), "static\n")?;
        let since = get(std::process::id())
            .context("our own process is not in /proc")?
            .started;
        let mut nginx = Self {
            builder: builder.clone(),
            tools,
            prefix,
            ports,
            child: None,
            group: None,
            since,
        };
        nginx.mend_config()?;
        nginx
            .spawn()
            .with_context(|| format!("nginx's error log:\n{}", nginx.error_log()))?;
        Ok(nginx)
    }

    /// nginx with the arguments that say which.
    pub(crate) fn command(&self) -> Command {
        let mut command = if self.builder.own_namespaces {
            ns::command(self.tools.nginx().as_os_str())
        } else {
            Command::new(self.tools.nginx())
        };
        command
            .arg("-p")
            .arg(self.prefix.path())
            .arg("-c")
            .arg(self.config_file())
            .arg("-e")
            .arg(self.prefix.path().join("error.log"))
            .env("LD_LIBRARY_PATH", self.tools.library_path())
            .current_dir(self.prefix.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn spawn(&mut self) -> Result<()> {
        let mut child = self
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Alone in its group, so that every descendant is known by it, orphans too.
            .process_group(0)
            .spawn()
            .context("starting nginx")?;
        if self.builder.daemon {
            // The first process ends once the daemon runs, or with a complaint.
            let status = child.wait()?;
            if !status.success() {
                bail!("nginx ended with {status}: {}", complaint(&mut child));
            }
        } else {
            self.group = Some(child.id());
            self.child = Some(child);
        }
        until_true("nginx's pid file", DEADLINE, || {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("nginx ended with {status}: {}", complaint(child));
            }
            // An old pid file may lie there with the number of who knows whom.
            Ok(self
                .master()
                .ok()
                .and_then(get)
                .is_some_and(|seen| seen.title.starts_with(MASTER)))
        })?;
        if self.builder.daemon {
            // A daemon leads a session and so a group of its own.
            self.group = Some(self.master()?);
        }
        self.wait_serving()?;
        until_true("nginx's answer to GET /", DEADLINE, || {
            Ok(http::get(self.port(), "/") == Answer::Status(200))
        })
    }

    /// Writes the configuration it was started with.
    pub fn mend_config(&self) -> Result<()> {
        let text = self
            .builder
            .render(&self.tools, self.prefix.path(), self.ports)?;
        Ok(fs::write(self.config_file(), text)?)
    }

    /// The port of the main server on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.main
    }

    /// Its folder, which is removed with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.prefix.path()
    }

    /// Its pid file: also the `instance` of the agent's records.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.prefix.path().join("nginx.pid")
    }

    /// Its access log.
    #[must_use]
    pub fn access_log(&self) -> PathBuf {
        self.prefix.path().join("access.log")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.prefix.path().join("nginx.conf")
    }

    /// What its error log says so far.
    #[must_use]
    pub fn error_log(&self) -> String {
        let log = fs::read(self.prefix.path().join("error.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Requests a fault's path: the worker that serves it has the fault.
    #[must_use]
    pub fn cause(&self, fault: Fault) -> Answer {
        http::get(self.port(), fault.path())
    }
}

/// What a process that has ended said on its standard error: nginx, or `unshare` before it.
fn complaint(ended: &mut Child) -> String {
    let mut text = String::new();
    if let Some(mut stderr) = ended.stderr.take() {
        // What was read before an error is worth showing all the same.
        let _ = stderr.read_to_string(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serves_static_proxied_and_failing_paths() -> Result<()> {
        let nginx = Nginx::builder().workers(1).foreground().start()?;
        for (path, status) in [("/", 200), ("/ok", 200), ("/fail", 500), ("/none", 404)] {
            assert_eq!(
                http::get(nginx.port(), path),
                Answer::Status(status),
                "{path}"
            );
        }
        assert!(
            http::get_text(nginx.port(), "/status")?
                .1
                .starts_with("Active connections")
        );
        let log = fs::read_to_string(nginx.access_log())?;
        assert_eq!(log.matches("GET /fail").count(), 1, "{log}");
        Ok(())
    }
}

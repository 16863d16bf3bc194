//! A private nginx: its own folder, ports, pid file and logs.

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::faults::Fault;
use crate::http::{self, Answer};
pub use crate::nginx_config::Builder;
use crate::nginx_config::Ports;
use crate::processes::{self, Seen, Signal, signal};
use crate::tools::Tools;
use crate::wait::{DEADLINE, until, until_true};
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

    pub(crate) fn spawn(&mut self) -> Result<()> {
        let mut command = if self.builder.own_namespaces {
            ns::command(self.tools.nginx().as_os_str())
        } else {
            Command::new(self.tools.nginx())
        };
        let mut child = command
            .arg("-p")
            .arg(self.prefix.path())
            .arg("-c")
            .arg(self.config_file())
            .arg("-e")
            .arg(self.prefix.path().join("error.log"))
            .env("LD_LIBRARY_PATH", self.tools.library_path())
            .current_dir(self.prefix.path())
            .stdin(Stdio::null())
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
                let mut complaint = String::new();
                child
                    .stderr
                    .take()
                    .map(|mut stderr| stderr.read_to_string(&mut complaint));
                bail!("nginx ended with {status}: {complaint}");
            }
        } else {
            self.group = Some(child.id());
            self.child = Some(child);
        }
        until_true("nginx's pid file", DEADLINE, || {
            if let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().transpose()) {
                bail!("nginx ended with {}", status?);
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

    /// The master's process id as we see it: after an upgrade the new master's.
    pub fn master(&self) -> Result<u32> {
        if let Some(child) = self.child.as_ref().filter(|_| self.builder.own_namespaces) {
            return ns::first_process(child.id())?.context("unshare has no child");
        }
        let path = self.pid_file();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        text.trim()
            .parse()
            .with_context(|| format!("{} holds {text:?}", path.display()))
    }

    /// The master's live workers in order, draining ones too, without cache processes.
    pub fn workers(&self) -> Result<Vec<u32>> {
        Ok(workers_of_master(self.master()?))
    }

    /// The master's workers that take new connections, in order.
    pub fn serving(&self) -> Result<Vec<u32>> {
        Ok(workers_of(self.master()?, |title| {
            title.trim_end() == WORKER
        }))
    }

    /// Waits until as many workers serve as are configured, and gives them.
    pub fn wait_serving(&self) -> Result<Vec<u32>> {
        let count = usize::from(self.builder.workers);
        until(&format!("{count} serving workers"), DEADLINE, || {
            Ok(Some(self.serving()?).filter(|workers| workers.len() == count))
        })
    }

    /// Requests a fault's path: the worker that serves it has the fault.
    #[must_use]
    pub fn cause(&self, fault: Fault) -> Answer {
        http::get(self.port(), fault.path())
    }

    /// Every live process of this nginx, whoever is its parent now.
    #[must_use]
    pub fn members(&self) -> Vec<Seen> {
        let Some(group) = self.group.or_else(|| self.group_by_title()) else {
            return Vec::new();
        };
        // The start time keeps apart a stranger who was given an old number anew.
        processes::find(|seen| seen.group == group && seen.started >= self.since)
    }

    /// For a daemon whose start went wrong before its pid file was read.
    fn group_by_title(&self) -> Option<u32> {
        let prefix = self.prefix.path().to_string_lossy();
        let ours = |title: &str| title.starts_with(MASTER) && title.contains(&*prefix);
        processes::find(|seen| ours(&seen.title))
            .first()
            .map(|seen| seen.group)
    }

    pub(crate) fn end_members(&self) -> Result<()> {
        until_true("the end of nginx", Duration::from_secs(5), || {
            let members = self.members();
            for seen in &members {
                signal(seen.pid, Signal::KILL)?;
            }
            Ok(members.is_empty())
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let gone = self.end_members();
        if let Err(error) = gone {
            eprintln!("{error:#}");
        }
        if let Some(child) = self.child.as_mut() {
            let _ = child.wait();
        }
    }
}

/// The live workers of the master with this process id, draining ones too, in order.
#[must_use]
pub fn workers_of_master(master: u32) -> Vec<u32> {
    workers_of(master, |title| title.starts_with(WORKER))
}

const MASTER: &str = "nginx: master process";
const WORKER: &str = "nginx: worker process";

fn workers_of(master: u32, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
    let mut workers: Vec<u32> = processes::children(master)
        .into_iter()
        .filter(|seen| wanted(&seen.title))
        .map(|seen| seen.pid)
        .collect();
    workers.sort_unstable();
    workers
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

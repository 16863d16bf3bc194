//! An nginx in a container: namespaces, a root folder and a control group of its own, as runtimes make
//! them. No runtime is needed.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::groups::Group;
use crate::nginx::workers_of_master;
use crate::processes::{self, Signal, signal, wait_gone};
use crate::tools::Tools;
use crate::wait::{DEADLINE, until};

/// Where nginx has its pid file, in each of these containers.
pub const PID_FILE: &str = "/run/nginx.pid";

/// What the first process of the new namespaces does: makes a root folder out of the host's programs
/// and libraries, goes there, and becomes nginx. `$1` is where, `$2` the folder of tools, `$3` nginx,
/// `$4` its configuration.
const BECOME_NGINX: &str = r#"
set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
cd "$1"
mkdir -p etc run tmp proc dev old ".$2"
for name in bin lib lib32 lib64 libx32 sbin usr; do
    if [ -L "/$name" ]; then
        cp -a "/$name" "$name"
    elif [ -d "/$name" ]; then
        mkdir "$name"
        mount --rbind "/$name" "$name"
    fi
done
mount --rbind "$2" ".$2"
cp /etc/passwd /etc/group etc
printf '%s' "$4" > etc/nginx.conf
mount -t proc proc proc
touch dev/null
mount --bind /dev/null dev/null
pivot_root . old
cd /
umount -l old
exec "$3" -c /etc/nginx.conf -e /tmp/error.log
"#;

const CONFIG: &str = r"daemon off;
user root root;
worker_processes 1;
pid /run/nginx.pid;
error_log /tmp/error.log;
events { worker_connections 64; }
http {
    access_log /tmp/access.log;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server { listen 80; }
}
";

/// A container in which nginx runs with one worker. Dropping it ends nginx and removes its control
/// group.
#[derive(Debug)]
pub struct Container {
    tools: Tools,
    root: tempfile::TempDir,
    /// `unshare`, which stays outside as the parent of the first process.
    outside: Option<Child>,
    // Last: it can be removed once it is empty.
    group: Group,
}

impl Container {
    /// Starts nginx in a control group and waits until its worker runs.
    pub fn start(group: Group) -> Result<Self> {
        let mut container = Self {
            tools: Tools::find()?,
            root: tempfile::tempdir()?,
            outside: None,
            group,
        };
        container.start_again()?;
        Ok(container)
    }

    /// Starts nginx anew after it was stopped, in the same control group and new namespaces, as
    /// runtimes restart a container.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.outside.is_none(), "the container runs already");
        let nginx = self.tools.nginx();
        let tools = self.tools.path("");
        let outside = Command::new("sh")
            // The shell goes into the group, and everything after it.
            .args(["-c", r#"echo $$ > "$0" && exec "$@""#])
            .arg(self.group.processes())
            .args(["unshare", "--mount", "--pid", "--net", "--ipc", "--uts"])
            .args(["--cgroup", "--kill-child", "--fork"])
            .args(["sh", "-c", BECOME_NGINX, "sh"])
            .args([self.root.path(), &tools, &nginx])
            .arg(CONFIG)
            .env("LD_LIBRARY_PATH", self.tools.library_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        self.outside = Some(outside.context("starting a container")?);
        until("a worker in the container", DEADLINE, || {
            if let Some(outside) = &mut self.outside
                && let Some(status) = outside.try_wait()?
            {
                bail!("the container ended with {status}: {}", complaint(outside));
            }
            Ok(self.worker().ok())
        })?;
        Ok(())
    }

    /// The master's process id as the host sees it; in the container it is 1.
    pub fn master(&self) -> Result<u32> {
        let outside = self
            .outside
            .as_ref()
            .context("the container does not run")?;
        let mut children = processes::children(outside.id()).into_iter();
        let master = children.find(|seen| seen.title.starts_with("nginx: master process"));
        Ok(master.context("no master yet")?.pid)
    }

    /// The worker's process id as the host sees it.
    pub fn worker(&self) -> Result<u32> {
        match workers_of_master(self.master()?)[..] {
            [worker] => Ok(worker),
            ref other => bail!("the workers are {other:?}"),
        }
    }

    /// Kills the worker (SIGKILL), waits for another one, and gives the one that was killed.
    pub fn kill_worker(&self) -> Result<u32> {
        let old = self.worker()?;
        signal(old, Signal::KILL)?;
        until("a worker in its place", DEADLINE, || {
            Ok(self.worker().ok().filter(|new| *new != old))
        })?;
        Ok(old)
    }

    /// Ends nginx by a signal to its master, and the container with it.
    pub fn end(&mut self, what: Signal) -> Result<()> {
        let master = self.master()?;
        signal(master, what)?;
        wait_gone(master, DEADLINE)?;
        if let Some(mut outside) = self.outside.take() {
            outside.wait()?;
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(mut outside) = self.outside.take() {
            // `--kill-child`: the first process ends with it, and the namespace with that.
            let _ = outside.kill();
            let _ = outside.wait();
        }
    }
}

fn complaint(ended: &mut Child) -> String {
    let stderr = ended.stderr.take();
    let text = stderr.map(std::io::read_to_string);
    text.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::groups::Hierarchy;

    #[test]
    fn nginx_runs_as_process_1_with_a_root_and_a_group_of_its_own() -> Result<()> {
        let group = Group::new(&Hierarchy::find()?, "docker/x")?;
        let (folder, seen) = (group.folder().to_owned(), group.seen());
        let container = Container::start(group)?;
        let proc = PathBuf::from(format!("/proc/{}", container.master()?));
        let pid = fs::read_to_string(proc.join("root").join(&PID_FILE[1..]))?;
        assert_eq!(pid.trim(), "1");
        for name in ["mnt", "pid", "net", "cgroup"] {
            let ours = fs::read_link(format!("/proc/self/ns/{name}"))?;
            assert_ne!(fs::read_link(proc.join("ns").join(name))?, ours, "{name}");
        }
        let groups = fs::read_to_string(proc.join("cgroup"))?;
        assert!(groups.lines().any(|line| line.ends_with(&seen)), "{groups}");
        drop(container);
        assert!(!folder.exists());
        Ok(())
    }
}

//! An nginx with a configuration of the test's own.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nginx_probe::config::{LogTarget, Master, Settings, stub_status::StubAddress};
use nginx_probe_tests::processes;
use nginx_probe_tests::tools::Tools;
use nginx_probe_tests::wait::{DEADLINE, until_true};
use nginx_probe_tests::{nginx::workers_of_master, ports};
use tempfile::TempDir;

/// What every `http` block needs here: the compiled-in folders do not exist.
const FOLDERS: &str = "client_body_temp_path tmp/body; proxy_temp_path tmp/proxy; \
    fastcgi_temp_path tmp/fastcgi; uwsgi_temp_path tmp/uwsgi; scgi_temp_path tmp/scgi;";

/// How an nginx is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As it is.
    Plain,
    /// In network and mount namespaces of its own, by root.
    Alone,
    /// The same, by a user who is not root.
    Unprivileged,
}

/// A running nginx, ended when it is dropped.
#[derive(Debug)]
pub struct Raw {
    folder: TempDir,
    child: Child,
    pub ports: Vec<u16>,
}

impl Raw {
    /// Starts nginx with `conf/nginx.conf` and whatever else `files` has. In the texts, `FOLDERS`,
    /// `PREFIX` and `PORT0` to `PORT9` are replaced.
    pub fn start(files: &[(&str, &str)], how: Start) -> Result<Self> {
        let mut last = None;
        for _ in 0..5 {
            match Self::try_start(files, how) {
                Err(error) if format!("{error:?}").contains("Address already in use") => {
                    last = Some(error);
                }
                other => return other,
            }
        }
        Err(last.context("never started")?)
    }

    fn try_start(files: &[(&str, &str)], how: Start) -> Result<Self> {
        let tools = Tools::find()?;
        let folder = tempfile::Builder::new()
            .prefix("nginx-probe-config-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .tempdir()?;
        let ports: Vec<u16> = (0..10).map(|_| ports::free()).collect::<Result<_>>()?;
        for inner in ["tmp", "logs", "conf"] {
            let path = folder.path().join(inner);
            fs::create_dir(&path)?;
            // For the nginx that is not root.
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        }
        for (name, text) in files {
            let mut text = text
                .replace("FOLDERS", FOLDERS)
                .replace("PREFIX", &folder.path().to_string_lossy());
            for (index, port) in ports.iter().enumerate() {
                text = text.replace(&format!("PORT{index}"), &port.to_string());
            }
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().context("no parent")?)?;
            fs::write(path, text)?;
        }
        let mut command = match how {
            Start::Plain => Command::new(tools.nginx()),
            Start::Alone | Start::Unprivileged => {
                let mut command = Command::new("unshare");
                let user = if how == Start::Alone { "0" } else { "65534" };
                command
                    .args(["--net", "--mount", "sh", "-c"])
                    .arg(
                        // The new namespace's `lo` is down, and so has no address to listen on.
                        "for f in 4 6; do echo 1 > /proc/sys/net/ipv$f/ip_nonlocal_bind; done && \
                         mount -t tmpfs none /var/log && \
                         mkdir -m 777 /var/log/nginx && \
                         exec setpriv --reuid=$0 --clear-groups \"$@\"",
                    )
                    .arg(user)
                    .arg(tools.nginx());
                command
            }
        };
        let child = command
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "conf/nginx.conf", "-e", "logs/start.log", "-g"])
            .arg("daemon off; pid logs/nginx.pid; user root root;")
            .env("LD_LIBRARY_PATH", tools.library_path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut raw = Self {
            folder,
            child,
            ports,
        };
        until_true("a worker", DEADLINE, || {
            if let Some(status) = raw.child.try_wait()? {
                let mut said = String::new();
                if let Some(stderr) = &mut raw.child.stderr {
                    stderr.read_to_string(&mut said)?;
                }
                bail!("nginx ended with {status}: {said}");
            }
            Ok(workers_of_master(raw.pid()).len() == 1)
        })?;
        Ok(raw)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `nginx -T` prints for the same arguments.
    pub fn dump(&self) -> Result<String> {
        let tools = Tools::find()?;
        let output = Command::new(tools.nginx())
            .arg("-T")
            .arg("-p")
            .arg(self.folder.path())
            .args(["-c", "conf/nginx.conf", "-e", "logs/start.log", "-g"])
            .arg("daemon off; pid logs/nginx.pid; user root root;")
            .env("LD_LIBRARY_PATH", tools.library_path())
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What the agent makes of it. The logs it finds have to be those that nginx holds open.
    pub fn model(&self) -> Result<Settings> {
        let settings = Master::of_process(Path::new("/proc"), self.pid())?.settings;
        ensure!(settings.warnings.is_empty(), "{:?}", settings.warnings);
        let again = Master::of_process(Path::new("/proc"), self.pid())?.settings;
        ensure!(settings == again, "a second reading differs");
        let targets = settings
            .access_logs
            .iter()
            .map(|log| &log.target)
            .chain(settings.error_logs.iter().map(|log| &log.target));
        let found: BTreeSet<PathBuf> = targets
            .filter_map(|target| match target {
                LogTarget::File(path) => Some(path.clone()),
                _ => None,
            })
            .collect();
        let mut open = BTreeSet::new();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.pid()))? {
            let path = fs::read_link(entry?.path())?;
            if path.starts_with(self.folder.path()) || path.starts_with("/var/log") {
                open.insert(path);
            }
        }
        ensure!(found == open, "found {found:?}, open {open:?}");
        Ok(settings)
    }

    /// Status and body of a request to one of its ports.
    pub fn ask(&self, port: usize, method: &str, path: &str) -> Result<(u16, String)> {
        let address = (
            [127, 0, 0, 1],
            *self.ports.get(port).context("no such port")?,
        );
        ask(&StubAddress::Tcp(address.into()), method, "h", path)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The workers of a killed master would serve on.
        let workers = workers_of_master(self.pid());
        let _ = self.child.kill();
        let _ = self.child.wait();
        for worker in workers {
            let _ = processes::signal(worker, processes::Signal::KILL);
        }
    }
}

/// Status and body of one request.
pub fn ask(address: &StubAddress, method: &str, host: &str, path: &str) -> Result<(u16, String)> {
    let limit = Some(Duration::from_secs(20));
    let request = if host.is_empty() {
        format!("{method} {path} HTTP/1.0\r\n\r\n")
    } else {
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    };
    let mut answer = String::new();
    match address {
        StubAddress::Tcp(address) => {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(limit)?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)?;
        }
        StubAddress::Unix(path) => {
            let mut stream = UnixStream::connect(path)?;
            stream.set_read_timeout(limit)?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)?;
        }
    }
    let status = answer.split(' ').nth(1).context("no status")?.parse()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

//! An nginx in a container of its own: its root, its processes, its network.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::crun::Container;
use super::in_network_of;
use super::root::Root;
use crate::http::{self, Answer};
use crate::processes::{self, get};
use crate::tools::Tools;
use crate::wait::{DEADLINE, until_true};

/// Its configuration, as an image of nginx would have it.
const CONFIGURATION: &str = "
user nobody nogroup;
worker_processes 2;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 256; }
http {
    access_log /var/log/nginx/access.log;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 127.0.0.1:81;
        access_log off;
        return 500;
    }
    server {
        listen unix:/run/nginx/nginx-status.sock;
        access_log off;
        location /stub_status { stub_status; }
    }
    server {
        listen 80;
        root /html;
        location /app { proxy_pass http://127.0.0.1:81; }
        location /dead { proxy_pass http://127.0.0.1:82; }
        location /cycle { rewrite ^ /cycle; }
        # The whole file is read into one buffer, past the page cache.
        location /large { sendfile off; directio 1m; output_buffers 1 512m; }
    }
}
";
/// The same as controllers of gateways and ingresses write theirs: logs go to the container's own streams,
/// and counters are served on a socket in its root.
const OF_A_CONTROLLER: &str = "
user nobody nogroup;
worker_processes 2;
pid /run/nginx/nginx.pid;
error_log stderr notice;
events { worker_connections 256; }
http {
    access_log /dev/stdout;
    access_log /var/log/nginx/access.log;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen unix:/run/nginx/nginx-status.sock;
        access_log off;
        location /stub_status { stub_status; }
    }
    server {
        listen 80;
        root /html;
        location /dead { proxy_pass http://127.0.0.1:82; }
        location /cycle { rewrite ^ /cycle; }
    }
}
";
const NOBODY: u32 = 65534;
/// More than any worker may use that is to be killed for its memory.
const LARGE: u64 = 512 * 1024 * 1024;
/// What a runtime gives to an ordinary container, as far as nginx uses it.
const CAPABILITIES: [&str; 6] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETGID",
    "CAP_SETUID",
];

/// A running nginx in a container. Dropping it ends it.
#[derive(Debug)]
pub struct ContainedNginx {
    container: Container,
    root: TempDir,
    pid_file: &'static str,
}

impl ContainedNginx {
    /// Starts one that writes its logs into files of its root, and waits until it answers.
    pub fn start() -> Result<Self> {
        Self::with(CONFIGURATION, "/run/nginx.pid")
    }

    /// Starts one whose logs go to the container's standard output and error, and waits until it answers.
    pub fn of_a_controller() -> Result<Self> {
        Self::with(OF_A_CONTROLLER, "/run/nginx/nginx.pid")
    }

    fn with(configuration: &str, pid_file: &'static str) -> Result<Self> {
        let tools = Tools::find()?;
        let root = tempfile::Builder::new()
            .prefix("nginx-probe-nginx-root-")
            .tempdir()?;
        let mut files = Root::new(root.path()).with_unpacked(&tools.path(""), tools.library_path());
        files.program(&tools.nginx(), "/usr/sbin/nginx")?;
        files.file("/etc/nginx/nginx.conf", configuration.as_bytes())?;
        files.file(
            "/etc/passwd",
            b"root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
        )?;
        files.file("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")?;
        files.file("/html/index.html", b"static\n")?;
        for folder in ["/var/lib/nginx", "/run/nginx", "/proc", "/dev", "/sys"] {
            files.folder(folder, 0o755)?;
        }
        files.folder("/tmp", 0o1777)?;
        // Its user's alone, as some images have it.
        files.folder("/var/log/nginx", 0o700)?;
        let logs = root.path().join("var/log/nginx");
        chown(&logs, Some(NOBODY), Some(NOBODY))?;
        if configuration == OF_A_CONTROLLER {
            symlink("/dev/stdout", logs.join("access.log"))?;
        }
        fs::File::create(root.path().join("html/large"))?.set_len(LARGE)?;
        let config = json!({
            "ociVersion": "1.0.2",
            "hostname": "web-1",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["/usr/sbin/nginx", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"],
                // A runtime's; nginx writes its title over them.
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=web-1"],
                "cwd": "/",
                "noNewPrivileges": true,
                "capabilities": {
                    "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
                },
            },
            "root": {"path": root.path()},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            ],
            "linux": {"namespaces": [
                {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
            ]},
        });
        let nginx = Self {
            container: Container::start(&config)?,
            root,
            pid_file,
        };
        let answers = until_true("the contained nginx answers", DEADLINE, || {
            Ok(nginx.get("/") == Answer::Status(200))
        });
        answers.with_context(|| nginx.container.told())?;
        let pid = fs::read_to_string(nginx.file(pid_file.trim_start_matches('/')))?;
        ensure!(pid.trim() == "1", "it is not alone: {pid}");
        Ok(nginx)
    }

    /// The master, by its process id in the test's own namespace.
    #[must_use]
    pub fn master(&self) -> u32 {
        self.container.pid()
    }

    /// The workers, by theirs.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        let children = processes::children(self.master());
        let workers = children
            .iter()
            .filter(|seen| seen.title.starts_with("nginx: worker process"));
        workers.map(|seen| seen.pid).collect()
    }

    /// Its pid file, in its own root.
    #[must_use]
    pub fn pid_file(&self) -> &'static str {
        self.pid_file
    }

    /// Requests a path in its network namespace, with a client that is in no other one.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        let answer = in_network_of(self.master(), || Ok(http::get(80, path)));
        answer.unwrap_or_else(|error| Answer::Broken(format!("{error:#}")))
    }

    /// A file of its root, as the test sees it.
    #[must_use]
    pub fn file(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside)
    }

    /// Whether the master still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        get(self.master()).is_some()
    }
}

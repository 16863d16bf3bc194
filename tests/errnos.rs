//! Failing calls of workers, and the answers that they spoil.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::answers::{Told, Way, told_until, watch_in};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::exhaustion::{EAT, LUA};
use nginx_probe_tests::mounted::Mounted;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::records::opens;
use nginx_probe_tests::upstream::Upstream;

struct Scene {
    agent: Agent,
    nginx: Nginx,
    _upstream: Upstream,
    _full: Mounted,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn start(way: Way) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o755))
            .tempdir()?;
        let at = folder.path();
        fs::create_dir(at.join("full"))?;
        let full = Mounted::tmpfs(&at.join("full"), "32k")?;
        fs::write(at.join("users"), "known:{PLAIN}word\n")?;
        fs::write(at.join("file"), "text\n")?;
        fs::set_permissions(at.join("users"), Permissions::from_mode(0o600))?;
        let upstream = Upstream::start()?;
        let live = format!("http://127.0.0.1:{}", upstream.port());
        let nginx = Nginx::builder()
            .workers(1)
            .log_level("crit")
            .main("worker_rlimit_nofile 200;")
            .http(LUA)
            .location(&format!(
                r"access_log off;
                location /status/ {{ proxy_pass {live}; }}
                location /own/ {{ return 500; }}
                location = /no-fds/file {{ {EAT} alias {at}/file; }}
                location = /no-fds/upstream {{ {EAT} proxy_pass {live}/status/200; }}
                location /full {{ client_body_buffer_size 1k; client_body_temp_path {at}/full; proxy_pass {live}/status/200; }}
                location /password {{ auth_basic x; auth_basic_user_file {at}/users; }}
                location = /no-memory {{ rewrite_by_lua_block {{ limit(64) }} log_by_lua_block {{ limit(nil) }} proxy_buffer_size 512m; proxy_buffers 2 512m; proxy_busy_buffers_size 512m; proxy_pass {live}/status/200; }}
                ",
                at = at.display(),
            ))
            .start()?;
        let agent = watch_in(&nginx, way)?;
        Ok(Self {
            agent,
            nginx,
            _upstream: upstream,
            _full: full,
            _folder: folder,
        })
    }

    fn send(&self, request: impl AsRef<[u8]>) -> Result<u16> {
        let mut client = Client::connect(self.nginx.port())?;
        // nginx may answer and close before it has taken everything.
        let _ = client.send(request);
        client.answer()
    }

    /// The one record of this request, once no other can come.
    fn told(&self, path: &str) -> Result<Told> {
        self.send("GET /own/last HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut all = told_until(&self.agent, "/own/last")?;
        let told = all.remove(path).unwrap_or_default();
        ensure!(
            told.len() == 1 && all.len() == 1,
            "{path}: {told:?}, {all:?}"
        );
        told.into_iter().next().context("none")
    }

    fn wait_counted(&self, syscall: &str, errno: &str) -> Result<()> {
        let labels = [("syscall", syscall), ("errno", errno)];
        self.agent
            .wait_sample("nginx_syscall_errors_total", &labels, |count| count > 0.5)
            .map(|_| ())
    }

    fn ensure_cause(&self, path: &str, cause: &str) -> Result<()> {
        let told = self.told(path)?;
        ensure!(told.status == 500 && told.cause == cause, "{told:?}");
        ensure!(
            told.upstream_status.is_empty() && told.upstream.is_none(),
            "{told:?}"
        );
        self.agent
            .wait_for("the incident", |record| opens(record, cause))
            .map(|_| ())
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n\r\n")
}

#[test]
fn a_static_file_without_descriptors_is_fd_exhaustion() -> Result<()> {
    Way::ALL.into_iter().try_for_each(static_file)
}

fn static_file(way: Way) -> Result<()> {
    let scene = Scene::start(way)?;
    ensure!(scene.send(get("/no-fds/file"))? == 500);
    scene.ensure_cause("/no-fds/file", "fd_exhaustion")?;
    scene.wait_counted("openat", "EMFILE")?;
    scene.agent.stop().map(|_| ())
}

#[test]
fn an_upstream_socket_without_descriptors_is_fd_exhaustion() -> Result<()> {
    Way::ALL.into_iter().try_for_each(upstream_socket)
}

fn upstream_socket(way: Way) -> Result<()> {
    let scene = Scene::start(way)?;
    ensure!(scene.send(get("/no-fds/upstream"))? == 500);
    scene.ensure_cause("/no-fds/upstream", "fd_exhaustion")?;
    scene.wait_counted("socket", "EMFILE")?;
    // What went wrong for one request is not held against the next.
    ensure!(scene.send(get("/status/200"))? == 200);
    ensure!(scene.send(get("/status/500"))? == 500);
    let all = told_until(&scene.agent, "/status/500")?;
    ensure!(
        all["/status/500"][0].cause == "upstream_response",
        "{all:?}"
    );
    scene.agent.stop().map(|_| ())
}

#[test]
fn a_full_disk_under_request_bodies_is_disk_full() -> Result<()> {
    Way::ALL.into_iter().try_for_each(full_disk)
}

fn full_disk(way: Way) -> Result<()> {
    let scene = Scene::start(way)?;
    let body = "x".repeat(200_000);
    let length = body.len();
    let request =
        format!("POST /full HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    ensure!(scene.send(request)? == 500);
    scene.ensure_cause("/full", "disk_full")?;
    scene.wait_counted("pwrite64", "ENOSPC")?;
    scene.agent.stop().map(|_| ())
}

#[test]
fn a_password_file_that_nobody_may_read_is_permission_denied() -> Result<()> {
    Way::ALL.into_iter().try_for_each(password_file)
}

fn password_file(way: Way) -> Result<()> {
    let scene = Scene::start(way)?;
    ensure!(scene.send(get("/password"))? == 500);
    scene.ensure_cause("/password", "permission_denied")?;
    scene.wait_counted("openat", "EACCES")?;
    scene.agent.stop().map(|_| ())
}

#[test]
fn an_allocation_that_fails_is_memory_exhaustion() -> Result<()> {
    Way::ALL.into_iter().try_for_each(allocation)
}

fn allocation(way: Way) -> Result<()> {
    let scene = Scene::start(way)?;
    ensure!(scene.send(get("/no-memory"))? == 500);
    let told = scene.told("/no-memory")?;
    ensure!(
        told.status == 500 && told.cause == "memory_exhaustion",
        "{told:?}"
    );
    if way == Way::Syscalls {
        // nginx's message does not say which call it was.
        scene.wait_counted("mmap", "ENOMEM")?;
    }
    scene.agent.stop().map(|_| ())
}

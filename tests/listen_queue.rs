//! Listen queues: their length, their limit, and what is dropped when one is full.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;
use nginx_probe_tests::processes::{Signal, children, signal, wait_gone};
use nginx_probe_tests::records::{is, opens};
use nginx_probe_tests::tools::Tools;
use nginx_probe_tests::wait::{DEADLINE, until, until_true};
use serde_json::Value;

const LENGTH: &str = "nginx_listen_queue_length";
const LIMIT: &str = "nginx_listen_queue_limit";
const OVERFLOWS: &str = "nginx_listen_overflows_total";

#[test]
fn a_queue_that_overflows_is_an_incident() -> Result<()> {
    let port = ports::free()?;
    let server = format!("server {{ listen 127.0.0.1:{port} backlog=1; return 204; }}");
    let nginx = Nginx::builder().workers(1).http(&server).start()?;
    let pid_file = nginx.pid_file().display().to_string();
    // The worker is stopped on purpose: that is another incident, of another test.
    let agent = Agent::start([
        "--pid-file",
        &pid_file,
        "--stub-status-every=none",
        "--hang-after=none",
        "--incident-quiet=2s",
    ])?;
    let listener = format!("127.0.0.1:{port}");
    let labels = [("listener", listener.as_str())];
    agent.wait_count(LIMIT, &labels, 1)?;
    agent.wait_count(LENGTH, &labels, 0)?;
    let other = format!("127.0.0.1:{}", nginx.port());
    agent.wait_count(LIMIT, &[("listener", other.as_str())], 511)?;
    let before = agent.sample(OVERFLOWS, &[])?.context("no counter")?;

    let worker = *nginx.workers()?.first().context("a worker")?;
    signal(worker, Signal::STOP)?;
    let address: SocketAddr = listener.parse()?;
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let clients: Vec<_> = (0..8).filter_map(|_| connect().ok()).collect();
    // The kernel takes one more than the limit.
    assert_eq!(clients.len(), 2);
    agent.wait_count(LENGTH, &labels, 2)?;
    agent.wait_sample(OVERFLOWS, &[], |now| now >= before + 6.0)?;
    let opened = agent.wait_for("an incident", |r| opens(r, "backlog_overflow"))?;
    assert_eq!(opened["instance"], *pid_file);
    let summary = opened["summary"].as_str().unwrap_or_default();
    assert!(summary.contains(&listener), "{summary}");
    let dropped = agent.wait_until("six drops", DEADLINE, |records| {
        let counted = records.iter().filter(|r| is(r, "incident")).map(drops);
        counted.max().filter(|count| *count >= 6)
    })?;
    // Each client's first packet, and perhaps its second; other tests' do not count here.
    assert!(dropped <= 24, "{dropped}");
    let seen = |r: &Value| {
        evidence(r).any(|piece| {
            let what = piece["what"].as_str().unwrap_or_default();
            what == format!("listen queue of {listener} seen full: 2 wait, 1 may")
        })
    };
    agent.wait_for("the full queue", |r| is(r, "incident") && seen(r))?;

    signal(worker, Signal::CONT)?;
    drop(clients);
    agent.wait_count(LENGTH, &labels, 0)?;
    agent.wait_for("its end", |r| {
        r["cause"] == "backlog_overflow" && r["state"] == "closed"
    })?;
    let records = agent.stop()?;
    let incidents = records.iter().filter(|r| r["state"] == "opened").count();
    assert_eq!(incidents, 1, "{records:?}");
    Ok(())
}

#[test]
fn a_busy_listener_is_no_incident() -> Result<()> {
    let nginx = Nginx::builder().start()?;
    let agent = Agent::watch(&nginx)?;
    let address = SocketAddr::from(([127, 0, 0, 1], nginx.port()));
    let clients: Vec<_> = (0..100).map(|_| TcpStream::connect(address)).collect();
    ensure!(clients.iter().all(Result::is_ok), "{clients:?}");
    let labels = [("listener", &*address.to_string())];
    agent.wait_count(LIMIT, &labels, 511)?;
    agent.wait_count(LENGTH, &labels, 0)?;
    agent.wait_count("nginx_probe_source_up", &[("source", "listen_queue")], 1)?;
    let records = agent.stop()?;
    assert!(!records.iter().any(|r| is(r, "incident")), "{records:?}");
    Ok(())
}

#[test]
fn the_sockets_of_reuseport_are_one_listener() -> Result<()> {
    let port = ports::free()?;
    let server = format!("server {{ listen 127.0.0.1:{port} backlog=9 reuseport; return 204; }}");
    let nginx = Nginx::builder().workers(3).http(&server).start()?;
    let agent = Agent::watch(&nginx)?;
    let listener = format!("127.0.0.1:{port}");
    let labels = [("listener", listener.as_str())];
    agent.wait_count(LIMIT, &labels, 9)?;
    let workers = nginx.workers()?;
    for worker in &workers {
        signal(*worker, Signal::STOP)?;
    }
    let clients: Vec<_> = (0..7).map(|_| TcpStream::connect(&listener)).collect();
    ensure!(clients.iter().all(Result::is_ok), "{clients:?}");
    let counted = agent.wait_count(LENGTH, &labels, 7);
    for worker in &workers {
        signal(*worker, Signal::CONT)?;
    }
    counted?;
    agent.wait_count(LENGTH, &labels, 0)?;
    agent.stop().map(|_| ())
}

#[test]
fn an_nginx_in_another_network_namespace_is_seen_too() -> Result<()> {
    let there = Elsewhere::start()?;
    let pid_file = there.folder.path().join("nginx.pid");
    let pid_file = pid_file.display().to_string();
    let agent = Agent::start(["--pid-file", &pid_file, "--hang-after=none"])?;
    agent.wait_count(LIMIT, &[("listener", "0.0.0.0:80")], 7)?;
    let socket = format!("unix:{}", there.socket().display());
    let labels = [("listener", socket.as_str())];
    agent.wait_count(LIMIT, &labels, 2)?;
    signal(there.worker()?, Signal::STOP)?;
    // A path leads there from any network namespace. One more fits than the limit says.
    let clients: Vec<_> = (0..3)
        .map(|_| UnixStream::connect(there.socket()))
        .collect();
    ensure!(clients.iter().all(Result::is_ok), "{clients:?}");
    agent.wait_count(LENGTH, &labels, 3)?;
    agent.wait_for("the full queue", |r| opens(r, "backlog_overflow"))?;
    signal(there.worker()?, Signal::CONT)?;
    agent.wait_count(LENGTH, &labels, 0)?;
    agent.stop().map(|_| ())
}

fn evidence(record: &Value) -> impl Iterator<Item = &Value> {
    record["evidence"].as_array().into_iter().flatten()
}

/// Drops that an incident's evidence counts.
fn drops(record: &Value) -> u64 {
    evidence(record)
        .filter(|piece| {
            let what = piece["what"].as_str().unwrap_or_default();
            piece["source"] == "listen_queue" && what.contains("dropped")
        })
        .filter_map(|piece| piece["count"].as_u64())
        .sum()
}

/// An nginx in a network namespace of its own, in which no interface is up.
struct Elsewhere {
    folder: tempfile::TempDir,
    master: Child,
}

impl Elsewhere {
    fn start() -> Result<Self> {
        let tools = Tools::find()?;
        let folder = tempfile::Builder::new()
            .prefix("nginx-probe-test-")
            .tempdir()?;
        let path = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {path}/{name}; "))
            .concat();
        let config = format!(
            "daemon off; user root; worker_processes 1; pid {path}/nginx.pid; events {{}} \
             http {{ access_log off; {temporary} server {{ listen 80 backlog=7; \
             listen unix:{path}/socket backlog=2; return 204; }} }}"
        );
        fs::write(folder.path().join("nginx.conf"), config)?;
        let master = Command::new("unshare")
            .arg("--net")
            .arg(tools.nginx())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .env("LD_LIBRARY_PATH", tools.library_path())
            .stdin(Stdio::null())
            .spawn()
            .context("starting nginx by unshare")?;
        let nginx = Self { folder, master };
        until_true("nginx's socket", DEADLINE, || {
            Ok(UnixStream::connect(nginx.socket()).is_ok() && nginx.worker().is_ok())
        })?;
        Ok(nginx)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn worker(&self) -> Result<u32> {
        until("the worker", DEADLINE, || {
            let all = children(self.master.id());
            let worker = all
                .iter()
                .find(|seen| seen.title.contains("worker process"));
            Ok(worker.map(|seen| seen.pid))
        })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let workers = children(self.master.id());
        let _ = self.master.kill();
        let _ = self.master.wait();
        for worker in workers {
            let _ = signal(worker.pid, Signal::KILL);
            let _ = wait_gone(worker.pid, DEADLINE);
        }
    }
}

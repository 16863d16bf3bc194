//! An nginx with programs behind it, and the agent that watches them.

use anyhow::{Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::answers::{self, told_until};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::records::{about, is, opens};
use serde_json::Value;

pub const PHP: &[(&str, &str)] = &[
    ("fine.php", "echo 'fine';"),
    (
        "killed.php",
        "shell_exec('kill -9 ' . getmypid()); sleep(5);",
    ),
    (
        "eats.php",
        "ini_set('memory_limit', -1); for ($a = [];;) $a[] = str_repeat('x', 1 << 20);",
    ),
    (
        "helpers.php",
        "for ($i = 0; $i < 5; $i++) { exec('exit 3'); exec('kill -9 $$'); } echo 'fine';",
    ),
    (
        "again.php",
        "shell_exec('kill -9 ' . getmypid()); sleep(5);",
    ),
];

pub const PYTHON: &str = "
import os, signal

def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/app/raises':
        raise ValueError('asked for')
    if path == '/app/segv':
        import ctypes
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # uWSGI's own handler exits with 1
        ctypes.string_at(0)
    if path == '/app/kill':
        os.kill(os.getpid(), signal.SIGKILL)
    if path == '/app/abort':
        os.abort()
    if path == '/app/exit':
        os._exit(3)
    start_response('200 Fine', [('Content-Type', 'text/plain')])
    return [b'text']
";

/// An nginx with one worker, and the agent that watches it, system calls alone.
pub struct Scene {
    pub nginx: Nginx,
    pub agent: Agent,
}

impl Scene {
    /// Ready when so many processes behind nginx are followed.
    pub fn of(locations: &str, processes: u32) -> Result<Self> {
        let nginx = Nginx::builder()
            .workers(1)
            .log_level("crit")
            .location(&format!(
                "access_log off; location /own/ {{ return 500; }} {locations}"
            ))
            .start()?;
        let agent = answers::watch(&nginx)?;
        let scene = Self { nginx, agent };
        scene.wait_processes(processes)?;
        Ok(scene)
    }

    /// Waits until so many are followed besides this very test, which is an upstream of the usual
    /// configuration.
    pub fn wait_processes(&self, count: u32) -> Result<()> {
        let instance = self.nginx.pid_file();
        let labels = [("nginx", &*instance.to_string_lossy())];
        self.agent
            .wait_count("nginx_backend_processes", &labels, count + 1)
    }

    pub fn get(&self, path: &str) -> Result<u16> {
        Client::connect(self.nginx.port())?.get(path)
    }

    /// The cause that was told of the one failure of `path`, which is asked for now.
    pub fn cause(&self, path: &str) -> Result<String> {
        let status = self.get(path)?;
        ensure!(status == 502, "{path}: {status}");
        let mut told = told_until(&self.agent, path)?;
        let told = told.remove(path).unwrap_or_default();
        let [told] = told.as_slice() else {
            anyhow::bail!("{path}: {told:?}");
        };
        Ok(told.cause.clone())
    }

    /// The record of an end.
    pub fn exit(&self, reason: &str) -> Result<Value> {
        let exit = self.agent.wait_for(&format!("the end by {reason}"), |r| {
            is(r, "backend_exit") && r["reason"] == reason
        })?;
        ensure!(about(&exit, &self.nginx), "{exit}");
        Ok(exit)
    }

    /// Asks for nginx's own 500: what else was to be told has been told then. Gives all records.
    pub fn all(&self) -> Result<Vec<Value>> {
        let path = format!("/own/{}", self.agent.records().len());
        ensure!(self.get(&path)? == 500);
        told_until(&self.agent, &path)?;
        Ok(self.agent.records())
    }

    /// There is one incident of that cause, and its evidence has these words.
    pub fn evidence(&self, cause: &str, words: &[&str]) -> Result<()> {
        let incident = self
            .agent
            .wait_for("the incident", |r| opens(r, cause) && about(r, &self.nginx))?;
        let evidence = incident["evidence"].to_string();
        for word in words {
            ensure!(evidence.contains(word), "no {word} in {incident}");
        }
        Ok(())
    }

    pub fn stop(self) -> Result<()> {
        self.agent.stop().map(drop)
    }
}

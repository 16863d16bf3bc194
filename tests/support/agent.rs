//! The agent under test: `nginx-probe run`, its records, its metrics, its end.

mod output;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use self::output::{Output, is_ready, lock};
use crate::command::{binary, command, isolated};
use crate::nginx::Nginx;
use crate::processes::{Signal, require_root, signal};
use crate::wait::{DEADLINE, until, until_true};
use crate::{http, metrics, ports};

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    port: u16,
    folder: TempDir,
    output: Arc<Mutex<Output>>,
    readers: Vec<JoinHandle<()>>,
}

impl Agent {
    /// Watches one nginx by its pid file and is ready.
    pub fn watch(nginx: &Nginx) -> Result<Self> {
        Self::start([OsStr::new("--pid-file"), nginx.pid_file().as_os_str()])
    }

    /// `nginx-probe run` with more arguments, ready.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        require_root()?;
        let mut agent = Self::spawn(arguments)?;
        agent.wait_ready()?;
        Ok(agent)
    }

    /// The same, run by another program that is given the agent and its arguments as its last ones.
    pub fn start_by<A: AsRef<OsStr>>(
        mut program: Command,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        require_root()?;
        program.arg(binary()?);
        let mut agent = Self::spawn_as(isolated(program), arguments)?;
        agent.wait_ready()?;
        Ok(agent)
    }

    /// `nginx-probe run` with more arguments, not waited for.
    pub fn spawn<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        Self::spawn_as(command()?, arguments)
    }

    fn spawn_as<A: AsRef<OsStr>>(
        mut command: Command,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("nginx-probe-agent-")
            .tempdir()?;
        let port = ports::free()?;
        let arguments: Vec<OsString> = arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned())
            .collect();
        // Two agents that follow each other may be given one state.
        if !arguments.iter().any(|argument| argument == "--state") {
            command.env("NGINX_PROBE_STATE", folder.path().join("state"));
        }
        // A journal may be meant to outlive its agent.
        if !arguments.iter().any(|argument| argument == "--journal") {
            command.env("NGINX_PROBE_JOURNAL", folder.path().join("journal.jsonl"));
        }
        command
            .args(["run", "--output", "json"])
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().context("starting nginx-probe")?;
        let (output, readers) = output::read(&mut child, started);
        Ok(Self {
            child,
            port,
            folder,
            output,
            readers,
        })
    }

    /// Waits for the line `ready` on standard error.
    pub fn wait_ready(&mut self) -> Result<()> {
        self.wait_stderr("the line `ready` on the agent's standard error", is_ready)
    }

    /// The time from its start to the line `ready`, once that was read.
    #[must_use]
    pub fn time_to_ready(&self) -> Option<Duration> {
        lock(&self.output).ready
    }

    /// Waits for a line on standard error that passes `wanted`.
    pub fn wait_stderr(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let outcome = until_true(what, DEADLINE, || {
            let ended = self.child.try_wait()?;
            if lock(&self.output).stderr.iter().any(|line| wanted(line)) {
                return Ok(true);
            }
            ended.map_or(Ok(false), |status| bail!("the agent ended with {status}"))
        });
        self.explain(outcome)
    }

    /// Process id of the agent.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The port of its listener on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its journal, unless it was given another one.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.jsonl")
    }

    /// The records so far, in order.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        lock(&self.output).records.clone()
    }

    /// The records so far, each with the moment at which its line was read from the pipe.
    #[must_use]
    pub fn received(&self) -> Vec<(SystemTime, Value)> {
        let output = lock(&self.output);
        let read = output.read.iter().copied();
        read.zip(output.records.iter().cloned()).collect()
    }

    /// The first record, old or still to come, that passes `wanted`.
    ///
    /// The error names `what` was waited for and shows all that the agent wrote.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait_until(what, DEADLINE, |records| {
            records.iter().find(|r| wanted(r)).cloned()
        })
    }

    /// Waits until `look` finds what it wants in all records so far.
    pub fn wait_until<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl Fn(&[Value]) -> Option<T>,
    ) -> Result<T> {
        self.explain(until(what, limit, || Ok(look(&lock(&self.output).records))))
    }

    /// The metrics in `OpenMetrics` text.
    pub fn metrics(&self) -> Result<String> {
        let (status, text) = self.explain(http::get_text(self.port, "/metrics"))?;
        ensure!(
            status == 200,
            "/metrics answered {status}: {text}\n{}",
            self.told()
        );
        Ok(text)
    }

    /// The sum of the samples called `name` that have these labels; none when there are none.
    pub fn sample(&self, name: &str, labels: &[(&str, &str)]) -> Result<Option<f64>> {
        Ok(metrics::sum(&self.metrics()?, name, labels))
    }

    /// Waits until the sum of these samples passes `wanted`.
    pub fn wait_sample(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        wanted: impl Fn(f64) -> bool,
    ) -> Result<f64> {
        let mut last = None;
        let outcome = until(&format!("the sample {name}{labels:?}"), DEADLINE, || {
            last = self.sample(name, labels)?;
            Ok(last.filter(|&value| wanted(value)))
        });
        self.explain(outcome.with_context(|| format!("the sample is {last:?}")))
    }

    /// Waits until the sum of these samples is `expected`.
    pub fn wait_count(&self, name: &str, labels: &[(&str, &str)], expected: u32) -> Result<()> {
        self.wait_sample(name, labels, |value| is_count(value, expected))
            .map(|_| ())
    }

    /// The status of `/healthz`.
    pub fn healthz(&self) -> Result<u16> {
        Ok(http::get_text(self.port, "/healthz")?.0)
    }

    /// Ends it with SIGTERM and gives all its records; the status must be 0.
    pub fn stop(self) -> Result<Vec<Value>> {
        self.stop_by(Signal::TERM)
    }

    /// Ends it with SIGTERM and gives all that it wrote to standard output; the status must be 0.
    pub fn stop_text(self) -> Result<String> {
        let output = Arc::clone(&self.output);
        self.stop()?;
        Ok(lock(&output).text.clone())
    }

    /// Ends it with `what` and gives all its records; the status must be 0.
    pub fn stop_by(mut self, what: Signal) -> Result<Vec<Value>> {
        signal(self.pid(), what)?;
        let status = self.wait_end()?;
        ensure!(
            status.success(),
            "the agent ended with {status}\n{}",
            self.told()
        );
        let output = lock(&self.output);
        ensure!(
            output.stray.is_empty(),
            "no JSON on standard output: {:?}",
            output.stray
        );
        let panicked = output.stderr.iter().any(|line| line.contains("panicked"));
        ensure!(!panicked, "the agent panicked: {:?}", output.stderr);
        Ok(output.records.clone())
    }

    /// Kills it outright and waits until it is gone.
    pub fn kill9(mut self) -> Result<()> {
        signal(self.pid(), Signal::KILL)?;
        self.wait_end().map(|_| ())
    }

    /// Waits until it ends by itself.
    pub fn wait_end(&mut self) -> Result<ExitStatus> {
        let ended = until("the agent's end", DEADLINE, || Ok(self.child.try_wait()?));
        let status = self.explain(ended)?;
        for reader in self.readers.drain(..) {
            ensure!(
                reader.join().is_ok(),
                "a thread that reads the agent's output panicked"
            );
        }
        Ok(status)
    }

    /// Adds all that the agent wrote to an error, after what went wrong.
    pub fn explain<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| anyhow!("{error:#}\n{}", self.told()))
    }

    /// All that the agent wrote, for an error's text.
    #[must_use]
    pub fn told(&self) -> String {
        let output = lock(&self.output);
        let mut text = format!("the agent's {} records:\n", output.records.len());
        for record in &output.records {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{record}");
        }
        let _ = writeln!(
            text,
            "other lines on its standard output: {:?}",
            output.stray
        );
        let _ = writeln!(text, "its standard error:\n{}", output.stderr.join("\n"));
        text
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a sample, which is a float, is this whole number.
#[must_use]
pub fn is_count(value: f64, expected: u32) -> bool {
    (value - f64::from(expected)).abs() < 0.5
}

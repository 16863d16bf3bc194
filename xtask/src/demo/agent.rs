//! The agent as a user starts it: text on standard output, a journal beside it.
//!
//! Its output goes to files. The journal and standard output each have every record, in one order,
//! and neither waits for the other.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nginx_probe_tests::command::isolated;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::processes::{Signal, get, signal};
use nginx_probe_tests::wait::{DEADLINE, until, until_true};
use nginx_probe_tests::{http, ports};
use serde_json::Value;

use crate::interrupt;

/// How long an incident stays open without news: short, so that the demo shows its end.
pub(super) const QUIET_S: u64 = 3;

/// A running `nginx-probe run`. Dropping it kills it.
pub(super) struct Agent {
    child: Child,
    port: u16,
    folder: PathBuf,
}

/// What the agent said of some records.
pub(super) struct Told {
    /// How many records.
    pub(super) records: usize,
    /// The text of each.
    pub(super) all: Vec<String>,
    /// The same without news of incidents that go on.
    pub(super) shown: Vec<String>,
    /// How many those were.
    pub(super) left_out: usize,
}

impl Agent {
    /// Starts it on one nginx, with its files in that one's folder, and waits until it is ready.
    pub(super) fn start(binary: &Path, nginx: &Nginx) -> Result<Self> {
        let folder = nginx.folder().to_path_buf();
        let port = ports::free()?;
        let create = |name| File::create(folder.join(name)).context("making the agent's files");
        let child = isolated(Command::new(binary))
            .args(["run", "--output", "text"])
            .arg(format!("--incident-quiet={QUIET_S}s"))
            .arg("--pid-file")
            .arg(nginx.pid_file())
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--journal")
            .arg(folder.join(JOURNAL))
            .arg("--state")
            .arg(folder.join("state"))
            .stdin(Stdio::null())
            .stdout(create(STDOUT)?)
            .stderr(create(STDERR)?)
            // Ctrl-C is for the demo, which ends the agent itself.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let mut agent = Self {
            child,
            port,
            folder,
        };
        agent.wait_ready()?;
        Ok(agent)
    }

    fn wait_ready(&mut self) -> Result<()> {
        until_true("nginx-probe to be ready", DEADLINE, || {
            interrupt::check()?;
            if let Some(status) = self.child.try_wait()? {
                bail!("nginx-probe ended with {status}");
            }
            Ok(self.stderr().lines().any(|line| line == READY))
        })
        .map_err(|error| anyhow!("{error:#}\n{}", self.account()))
    }

    /// All records so far.
    pub(super) fn records(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.journal()).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).with_context(|| format!("the journal's {line}")))
            .collect()
    }

    /// What it said of the records after the first `seen`.
    pub(super) fn told_since(&self, seen: usize) -> Result<Told> {
        let records = self.records()?;
        let what = format!("{} records on nginx-probe's output", records.len());
        let texts = until(&what, DEADLINE, || {
            interrupt::check()?;
            let said = fs::read_to_string(self.folder.join(STDOUT))?;
            Ok(Some(texts(&said)).filter(|texts| texts.len() >= records.len()))
        })?;
        let new = || records.iter().zip(&texts).skip(seen);
        let shown: Vec<String> = new()
            .filter(|(record, _)| record["state"] != "updated")
            .map(|(_, text)| text.clone())
            .collect();
        Ok(Told {
            records: new().count(),
            all: new().map(|(_, text)| text.clone()).collect(),
            left_out: new().count() - shown.len(),
            shown,
        })
    }

    /// Fails when it has ended.
    pub(super) fn check(&self) -> Result<()> {
        // A child that ended is a zombie until it is waited for, and no live process.
        ensure!(get(self.child.id()).is_some(), "nginx-probe has ended");
        Ok(())
    }

    /// What it says against itself, for example of a source that this host does not have.
    pub(super) fn warnings(&self) -> Vec<String> {
        let stderr = self.stderr();
        let lines = stderr.lines().filter(|line| *line != READY);
        lines.map(str::to_owned).collect()
    }

    /// What it wrote to standard error and last to standard output, for an error's text.
    pub(super) fn account(&self) -> String {
        const LAST: usize = 12;
        let said = fs::read(self.folder.join(STDOUT)).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let (skipped, last) = lines.split_at(lines.len().saturating_sub(LAST));
        format!(
            "nginx-probe's standard error:\n{}nginx-probe's last {} of {} lines:\n{}",
            self.stderr(),
            last.len(),
            skipped.len() + last.len(),
            last.join("\n"),
        )
    }

    /// Its measurements, as text.
    pub(super) fn metrics(&self) -> Result<String> {
        let (status, text) = http::get_text(self.port, "/metrics")?;
        ensure!(status == 200, "{} answered {status}", self.metrics_url());
        Ok(text)
    }

    pub(super) fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.port)
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.folder.join(JOURNAL)
    }

    /// Ends it as a service manager does; it must end well.
    pub(super) fn stop(mut self) -> Result<()> {
        signal(self.child.id(), Signal::TERM)?;
        let ended = until("the end of nginx-probe", DEADLINE, || {
            Ok(self.child.try_wait()?)
        });
        let status = ended?;
        ensure!(
            status.success(),
            "nginx-probe ended with {status}\n{}",
            self.account()
        );
        Ok(())
    }

    fn stderr(&self) -> String {
        let bytes = fs::read(self.folder.join(STDERR)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const JOURNAL: &str = "journal.jsonl";
const STDOUT: &str = "nginx-probe.out";
const STDERR: &str = "nginx-probe.err";
const READY: &str = "ready";

/// The text of each record: its first line begins with a time, the others with a space.
fn texts(said: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for line in said.lines() {
        match texts.last_mut() {
            Some(text) if line.starts_with(' ') => {
                text.push('\n');
                text.push_str(line);
            }
            _ => texts.push(line.to_owned()),
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line_and_what_is_indented_below() {
        assert_eq!(
            texts("12:00 a\n12:01 b\n    b1\n    b2\n12:02 c\n"),
            ["12:00 a", "12:01 b\n    b1\n    b2", "12:02 c"]
        );
        assert!(texts("").is_empty());
    }
}

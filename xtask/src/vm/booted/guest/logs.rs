//! Logs under load: rotated as Debian does, and followed over a restart of the agent.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Context, Result, ensure};
use nginx_probe_tests::http::{self, Answer};
use nginx_probe_tests::metrics;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use super::host::{AGENT, Host, INSTANCE, PORT, run};
use super::journal;
use super::report::Report;

/// Requests of one part.
const REQUESTS: u32 = 240;

/// logrotate, while requests come in.
pub(super) fn rotate(host: &mut Host, report: &mut Report) -> Result<()> {
    let before = lines(&host.metrics()?);
    let load = Load::start("/configured/", 503);
    load.wait(REQUESTS / 3)?;
    run("logrotate", &["--force", "/etc/logrotate.d/nginx"])?;
    let requests = load.end()?;
    let rotated = std::path::Path::new("/var/log/nginx/access.log.1");
    report.check("the log was rotated", rotated.is_file(), "it was not");
    host.expect(
        report,
        &[
            ("response 503 config_response", requests),
            ("incident config_response", 1),
        ],
    )?;
    let after = lines(&host.metrics()?);
    report.equal(
        "lines with 503 that were read, of those that were written",
        &f64::from(requests),
        &(after - before),
    );
    Ok(())
}

/// A restart of the agent, while requests fail.
pub(super) fn burst(host: &mut Host, report: &mut Report) -> Result<()> {
    let mark = journal::mark();
    let load = Load::start("/cycle/burst-", 500);
    load.wait(REQUESTS / 3)?;
    run("systemctl", &["restart", AGENT])?;
    let requests = load.end()?;
    host.wait_agent()?;
    let mut seen = BTreeMap::new();
    let waited = until_true("a record of each failed answer", DEADLINE, || {
        seen = told(mark)?;
        Ok(seen.len() >= usize::try_from(requests)?)
    });
    let missing: Vec<_> = (0..requests)
        .filter(|number| !seen.contains_key(&format!("/cycle/burst-{number}")))
        .collect();
    report.check(
        &format!("each of {requests} failed answers is told"),
        waited.is_ok() && missing.is_empty(),
        format!("{} are not: {missing:?}", missing.len()),
    );
    let twice: Vec<_> = seen.iter().filter(|(_, causes)| causes.len() > 1).collect();
    report.check(
        "none is told twice",
        twice.is_empty(),
        format!("{} are: {twice:?}", twice.len()),
    );
    let mut causes: BTreeMap<&str, u32> = BTreeMap::new();
    for cause in seen.values().flatten() {
        *causes.entry(cause).or_default() += 1;
    }
    report.equal(
        "their causes",
        &BTreeMap::from([("redirect_cycle", requests)]),
        &causes,
    );
    host.take_counts()
}

/// The causes of each failed answer to the burst, by path.
fn told(mark: journal::Mark) -> Result<BTreeMap<String, Vec<String>>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in journal::since(mark)? {
        let path = record["path"].as_str().unwrap_or_default();
        if record["type"] == "response" && path.starts_with("/cycle/burst-") {
            let cause = record["cause"].as_str().unwrap_or_default();
            told.entry(path.to_owned())
                .or_default()
                .push(cause.to_owned());
        }
    }
    Ok(told)
}

/// Answers with 503 that the access log told of.
fn lines(text: &str) -> f64 {
    let labels = [("nginx", INSTANCE), ("code", "503"), ("seen_by", "log")];
    metrics::sum(text, "nginx_http_responses_total", &labels).unwrap_or_default()
}

/// Requests one after the other, each with a path of its own.
struct Load {
    sent: std::sync::mpsc::Receiver<u32>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Load {
    fn start(path: &'static str, status: u16) -> Self {
        let (sender, sent) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            for number in 0..REQUESTS {
                let path = format!("{path}{number}");
                let answer = http::get(PORT, &path);
                ensure!(answer == Answer::Status(status), "{path}: {answer:?}");
                // Whoever started it may wait for nothing more.
                let _ = sender.send(number + 1);
            }
            Ok(())
        });
        Self { sent, thread }
    }

    /// Waits until so many were answered.
    fn wait(&self, count: u32) -> Result<()> {
        self.sent
            .iter()
            .find(|sent| *sent >= count)
            .map(drop)
            .context("the requests ended early")
    }

    /// Waits for the end, and gives how many there were.
    fn end(self) -> Result<u32> {
        let ended = self.thread.join();
        ended.map_err(|_| anyhow::anyhow!("the thread of requests panicked"))??;
        Ok(REQUESTS)
    }
}

//! The guest as a host: systemd, nginx, the agent's metrics, and what was expected of them so far.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use nginx_probe_tests::command::{Finished, finish};
use nginx_probe_tests::faults;
use nginx_probe_tests::http::{self, Answer};
use nginx_probe_tests::processes::children;
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use super::counts::Counts;
use super::report::Report;

/// The agent's unit.
pub(super) const AGENT: &str = "nginx-probe.service";
/// nginx's unit.
pub(super) const NGINX: &str = "nginx.service";
/// The name of Debian's nginx.
pub(super) const INSTANCE: &str = "/run/nginx.pid";
/// Where the test's server listens.
pub(super) const PORT: u16 = 8080;
/// Where the agent listens.
const METRICS: u16 = 9877;
/// The test's addition to Debian's configuration of nginx.
const SITE: &str = "/etc/nginx/conf.d/host-test.conf";
/// How many lines of the agent's are shown with a failure.
const SHOWN: &str = "12";

/// The host. Its upstream ends with it.
pub(super) struct Host {
    upstream: Upstream,
    expected: Counts,
    installed: bool,
}

#[allow(
    clippy::unused_self,
    reason = "what is asked of the host is asked of one, whatever it takes to answer"
)]
impl Host {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            upstream: Upstream::start()?,
            expected: Counts::default(),
            installed: false,
        })
    }

    /// Writes the test's server beside Debian's own, and has nginx take it.
    pub(super) fn serve(&self) -> Result<()> {
        self.write_site("")?;
        run("systemctl", &["restart", NGINX])?;
        self.wait_served()
    }

    /// Writes the test's server, with `more` at its end.
    pub(super) fn write_site(&self, more: &str) -> Result<()> {
        let site = format!(
            "init_by_lua_block {{ {init} }}\n\
             server {{\n\
             listen 127.0.0.1:{PORT};\n\
             location = /ok {{ return 200 ok; }}\n\
             location /cycle/ {{ rewrite ^/cycle/(.*)$ /cycle/$1 last; }}\n\
             location /refused {{ proxy_pass http://127.0.0.1:9; }}\n\
             location /upstream/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}\n\
             location /configured/ {{ return 503; }}\n\
             location = /basic_status {{ stub_status; access_log off; }}\n\
             {faults}\n\
             }}\n{more}\n",
            init = faults::INIT_LUA,
            upstream = self.upstream.port(),
            faults = faults::locations(),
        );
        fs::write(SITE, site).with_context(|| format!("writing {SITE}"))
    }

    /// Waits until nginx answers.
    pub(super) fn wait_served(&self) -> Result<()> {
        until_true("an answer of nginx", DEADLINE, || {
            Ok(self.get("/ok") == Answer::Status(200))
        })
    }

    /// Asks nginx for `path`.
    pub(super) fn get(&self, path: &str) -> Answer {
        http::get(PORT, path)
    }

    /// Asks for each of `paths`, and fails unless each answer has this status.
    pub(super) fn ask(&self, paths: impl IntoIterator<Item = String>, status: u16) -> Result<()> {
        for path in paths {
            let answer = self.get(&path);
            ensure!(answer == Answer::Status(status), "{path}: {answer:?}");
        }
        Ok(())
    }

    /// The process ids of nginx's workers.
    pub(super) fn workers(&self) -> Result<Vec<u32>> {
        let master = show(NGINX, "MainPID")?.parse()?;
        ensure!(master != 0, "nginx does not run");
        let workers = children(master)
            .into_iter()
            .filter(|child| child.title.contains("worker process"));
        Ok(workers.map(|child| child.pid).collect())
    }

    /// The agent's metrics.
    pub(super) fn metrics(&self) -> Result<String> {
        let (status, text) = http::get_text(METRICS, "/metrics").context("asking for metrics")?;
        ensure!(status == 200, "/metrics answered {status}");
        Ok(text)
    }

    /// Waits until the agent's metrics are there.
    pub(super) fn wait_agent(&self) -> Result<()> {
        until_true("the agent's metrics", DEADLINE, || {
            Ok(self.metrics().is_ok_and(|text| text.contains(INSTANCE)))
        })
    }

    /// Waits until the agent has counted, since the last comparison, `more` and nothing else.
    pub(super) fn expect(&mut self, report: &mut Report, more: &[(&str, u32)]) -> Result<()> {
        let expected = self.expected.plus(more);
        let mut seen = Counts::read(&self.metrics()?);
        let waited = until_true("the agent to count what was done", DEADLINE, || {
            seen = Counts::read(&self.metrics()?);
            Ok(seen == expected)
        });
        let what: Vec<_> = more
            .iter()
            .map(|(key, count)| format!("{count} {key}"))
            .collect();
        let what = format!("counted: {}, nothing else", what.join(", "));
        report.check(&what, waited.is_ok(), expected.difference(&seen));
        // One difference fails one part.
        self.expected = seen;
        Ok(())
    }

    /// Takes what the agent has counted for what it ought to have.
    pub(super) fn take_counts(&mut self) -> Result<()> {
        self.expected = Counts::read(&self.metrics()?);
        Ok(())
    }

    /// What was counted when the counts were last compared or taken.
    pub(super) fn counted(&self) -> &Counts {
        &self.expected
    }

    pub(super) fn set_installed(&mut self, installed: bool) {
        self.installed = installed;
    }

    pub(super) fn is_installed(&self) -> bool {
        self.installed
    }

    /// How often systemd has started the agent again by itself.
    pub(super) fn restarts(&self) -> Result<u32> {
        Ok(show(AGENT, "NRestarts")?.parse()?)
    }

    /// The last lines about the agent, its own and systemd's and the kernel's.
    pub(super) fn said_since(&self, time: SystemTime) -> Vec<String> {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = format!("@{}", seconds.as_secs());
        let mut lines = Vec::new();
        let of_unit = ["-u", AGENT, "-n", SHOWN];
        let of_kernel = ["-k", "-g", "nginx-probe", "-n", "4"];
        for about in [&of_unit[..], &of_kernel] {
            let mut command = Command::new("journalctl");
            command.args([
                "-q",
                "--no-pager",
                "-o",
                "short-monotonic",
                "--since",
                &since,
            ]);
            if let Ok(said) = finish(command.args(about), DEADLINE) {
                lines.extend(said.stdout.lines().map(str::to_owned));
            }
        }
        lines
    }
}

/// Runs a command to its end.
pub(super) fn outcome(program: &str, arguments: &[&str]) -> Result<Finished> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    finish(&mut command, 2 * DEADLINE)
}

/// Runs a command that must succeed, and gives what it wrote to standard output.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let finished = outcome(program, arguments)?;
    if finished.code != Some(0) {
        bail!(
            "{program} {} ended with {:?}: {}{}",
            arguments.join(" "),
            finished.code,
            finished.stdout,
            finished.stderr
        );
    }
    Ok(finished.stdout)
}

/// A property of a unit.
pub(super) fn show(unit: &str, property: &str) -> Result<String> {
    let value = run("systemctl", &["show", "--value", "-p", property, unit])?;
    Ok(value.trim().to_owned())
}

/// Writes a file of systemd's, and has systemd read it.
pub(super) fn write_unit(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    run("systemctl", &["daemon-reload"]).map(drop)
}

/// Waits until a unit is in this state.
pub(super) fn wait_state(unit: &str, state: &str) -> Result<()> {
    until_true(&format!("{unit} to be {state}"), DEADLINE, || {
        std::thread::sleep(Duration::from_millis(100));
        Ok(show(unit, "ActiveState")? == state)
    })
}
